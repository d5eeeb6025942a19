"""Batch normalisation over all vertices of a mini-batch, wherever they are computed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fulmen_split_parallel.networks.batch import GraphBatch
from fulmen_split_parallel.networks.batch_aware import BatchAware


class BatchNorm(BatchAware):
    """BatchNorm1d with the statistics of the whole mini-batch, also where ranks share its vertices.

    In one process and in data parallel it is torch's BatchNorm1d, parameter for parameter. Between the
    ranks of split parallel it adds up counts, sums and squared deviations, differentiably: two small
    all-reduces in each direction. torch's SyncBatchNorm does so on GPUs only.

    Rows have shape (n, width), one of each vertex that this rank owns; n may be 0, on some ranks. Rows of
    a layer's *sources* are not that: a vertex may be a source on several ranks.

    Args:
        width: Channels.
        eps: Added to the variance.
        momentum: Of the running statistics, which evaluation uses.

    Source: Ioffe and Szegedy, ICML 2015 (arXiv:1502.03167), algorithm 1.
    """

    weight: nn.Parameter
    bias: nn.Parameter
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, width: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))
        self.register_buffer("num_batches_tracked", torch.tensor(0))
        self._sum_over_ranks: Callable[[Tensor], Tensor] | None = None

    def begin(self, batch: GraphBatch) -> None:
        """Take the mini-batch's sum over ranks."""
        self._sum_over_ranks = batch.sum_over_ranks

    def end(self) -> None:
        """Let go of it."""
        self._sum_over_ranks = None

    def forward(self, rows: Tensor) -> Tensor:
        """Return the normalised rows, of the same shape and dtype."""
        if not self.training:
            return self._scaled(rows, self.running_mean, self.running_var)
        # Half precision cannot count: 2049 + 1 = 2048 in float16.
        wide = rows if rows.dtype == torch.float64 else rows.float()
        count = self._summed(wide.new_full((1,), len(rows)))
        mean = self._summed(wide.sum(0)) / count
        # Two passes: the mean of squares minus the squared mean would cancel.
        variance = self._summed((wide - mean).square().sum(0)) / count
        with torch.no_grad():
            unbiased = variance * (count / (count - 1).clamp(min=1))
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
            self.num_batches_tracked += 1
        return self._scaled(rows, mean, variance)

    def _summed(self, tensor: Tensor) -> Tensor:
        return tensor if self._sum_over_ranks is None else self._sum_over_ranks(tensor)

    def _scaled(self, rows: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        scaled = (rows - mean) * ((variance + self.eps).rsqrt() * self.weight) + self.bias
        return scaled.to(rows.dtype)

    def extra_repr(self) -> str:
        """The width, for print."""
        return f"{len(self.weight)}, eps={self.eps}, momentum={self.momentum}"

    @classmethod
    def convert(cls, module: nn.Module) -> nn.Module:
        """Return a module with each BatchNorm1d in it replaced, weights and statistics kept.

        Raises:
            ValueError: one of them has no weights, no running statistics or no momentum.
        """
        if isinstance(module, nn.BatchNorm1d):
            if not module.affine or not module.track_running_stats or module.momentum is None:
                raise ValueError("BatchNorm1d: expected affine, track_running_stats and a momentum")
            norm = cls(module.num_features, module.eps, module.momentum).to(module.weight)
            norm.load_state_dict(module.state_dict())
            return norm.train(module.training)
        for name, child in module.named_children():
            setattr(module, name, cls.convert(child))
        return module
