"""Sums over the ranks that share a mini-batch, differentiable: what exact statistics are made of."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fulmen_split_parallel.cooperative.transport import Transport


class SumOverRanks:
    """The sum of a small tensor over the ranks of a group; every rank gets the same, to the last bit.

    Collective, in its backward pass too.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def __call__(self, values: Tensor) -> Tensor:
        """Return the sum of all ranks' ``values``, of the same shape."""
        if self.transport.size == 1:
            return values
        total: Tensor = _Sum.apply(values, self.transport)  # type: ignore[no-untyped-call]
        return total


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, transport: Transport) -> Tensor:
        ctx.transport = transport
        return _sum(values, transport)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        # Every rank's loss depends on the sum, so that the gradient of each addend is the sum of all theirs.
        return _sum(gradient, ctx.transport), None


def _sum(values: Tensor, transport: Transport) -> Tensor:
    rank, size = transport.rank, transport.size
    row = values.reshape(1, -1).contiguous()
    counts = [int(other != rank) for other in range(size)]
    index = torch.zeros(size - 1, dtype=torch.int64, device=row.device)
    others = row.new_empty((size - 1, row.shape[1]))
    transport.exchange(row, index, counts, others, counts)
    # In the order of the ranks, so that all add alike.
    ordered = torch.cat([others[:rank], row, others[rank:]])
    return ordered.sum(0).reshape(values.shape)
