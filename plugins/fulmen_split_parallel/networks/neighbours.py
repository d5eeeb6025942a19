"""The mean of in-neighbours' rows where some are with other ranks: the rows that stay are not moved.

`GraphLayer.exchange` gives all rows of a layer's sources as one tensor, for which a rank copies its own: as
many as it has, for the few that come. The mean needs no such tensor. Here own rows are added up where they
are while the others' come, and in the backward pass the others' gradients leave first. A vertex's own row,
which goes beside the mean into GraphSAGE, comes along, so that its gradient is added where it belongs and not
by way of a tensor of zeros as large as all rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from fulmen_split_parallel.networks.batch import Apart, GraphLayer


def in_pieces(layer: GraphLayer) -> bool:
    """Whether `mean_and_own` serves a layer: no exchange, or one that leaves own rows where they are."""
    return layer.exchange_rows is None or layer.apart is not None


def mean_and_own(rows: Tensor, layer: GraphLayer) -> tuple[Tensor, Tensor, Callable[[], None]]:
    """Return the mean of each destination's in-neighbours, 0 where it has none, and its own row.

    Collective where the layer has an exchange, in its backward pass too. The mean is not to be used before
    the last of what is returned has been called, which is to be before anything else is exchanged.

    Args:
        rows: float (n, width), of the layer below, as this rank has them.
        layer: Its edges, whose weights do not count.

    Returns:
        float (D, width); (D, width), which is a part of `rows` and must not be written to; and what waits
        for the others' rows and completes the mean.
    """
    finishing: list[Callable[[], None]] = []
    mean, own = _MeanAndOwn.apply(rows, layer, finishing)  # type: ignore[no-untyped-call]
    (finish,) = finishing
    return mean, own, finish


@dataclass(frozen=True, eq=False)
class Edges:
    """Some of a layer's edges.

    Attributes:
        indptr: int64 (D + 1,).
        indices: int64 (edges,), rows of the tensor that the sources are in; those of destination d are
            ``indices[indptr[d]:indptr[d + 1]]``.
    """

    indptr: Tensor
    indices: Tensor

    def sum(self, rows: Tensor) -> Tensor:
        """Return each destination's sum of its sources' rows, (D, width)."""
        return functional.embedding_bag(self.indices, rows, self.indptr, mode="sum", include_last_offset=True)


def edges_apart(layer: GraphLayer, apart: Apart) -> tuple[Edges, Edges]:
    """Return the edges from rows that stay, and those from rows that come from other ranks."""
    comes = layer.indices >= apart.num_kept
    before = torch.cat([comes.new_zeros(1, dtype=torch.int64), comes.cumsum(0)])
    indptr = before[layer.indptr]
    own = Edges(layer.indptr - indptr, layer.indices[~comes] + apart.kept_start)
    return own, Edges(indptr, layer.indices[comes] - apart.num_kept)


class _MeanAndOwn(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, layer: GraphLayer, finishing: list[Callable[[], None]]
    ) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        apart = ctx.apart = layer.apart
        start = 0 if apart is None else apart.kept_start
        ctx.place = slice(start, start + layer.num_destinations)
        ctx.share = layer.indptr.diff().clamp(min=1).to(rows.dtype).reciprocal()[:, None]
        ctx.held = rows.detach().requires_grad_()
        own, others = Edges(layer.indptr, layer.indices), None
        if apart is not None:
            arriving = apart.fetch(rows)
            own, others = edges_apart(layer, apart)
        # The sums keep what torch needs for their gradients, which the backward pass asks for one by one.
        with torch.enable_grad():
            ctx.own = own.sum(ctx.held)
        mean = ctx.own.detach()

        def finish() -> None:
            if others is not None:
                ctx.received = arriving().requires_grad_()
                with torch.enable_grad():
                    ctx.others = others.sum(ctx.received)
                mean.data.add_(ctx.others.detach())
            # By way of data: nobody has kept the mean yet, and torch need not know that it changes.
            mean.data.mul_(ctx.share)

        finishing.append(finish)
        return mean, rows[ctx.place]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_mean: Tensor | None, of_own: Tensor | None) -> tuple[Tensor, None, None]:
        # A rank whose mean nobody used still has to answer the others. What sums keep goes with this node.
        each = torch.zeros_like(ctx.own) if of_mean is None else of_mean * ctx.share
        if ctx.apart is not None:
            (back,) = torch.autograd.grad(ctx.others, ctx.received, each, retain_graph=True)
            returning = ctx.apart.give_back(back)
        (gradient,) = torch.autograd.grad(ctx.own, ctx.held, each, retain_graph=True)
        if of_own is not None:
            gradient[ctx.place] += of_own
        if ctx.apart is not None:
            returning(gradient)
        return gradient, None, None
