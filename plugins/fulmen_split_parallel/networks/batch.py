"""What a network sees of a mini-batch: the same in one process, in data parallel and in split parallel.

A network never asks where a row lives. It walks the layers from the inputs up::

    h = batch.x
    for convolution, layer in zip(convolutions, batch.layers):
        sources = layer.exchange(h)
        h = convolution((sources, sources[: layer.num_destinations]), layer.edge_index)
    scores = batch.home(h)

In one process and in data parallel ``exchange`` and ``home`` give back what they are given. In split
parallel they move rows between ranks: every vertex of the mini-batch is computed once, by its owner.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

Part = TypeVar("Part")


class Exchange(Protocol):
    """Moves rows between ranks, differentiably. Not a dataclass: Lightning would copy it field by field."""

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the rows that this rank needs for the rows that it holds, of the same width and dtype."""

    def to(self, device: torch.device | str) -> Exchange:
        """Return the same exchange with its index tensors on a device."""


class Apart(Protocol):
    """An exchange that leaves the rows that stay where they are, and can be waited for later.

    Of the rows that it would return, the first ``num_kept`` are those that this rank holds from
    ``kept_start`` on; the others come from other ranks.

    What `begin`, `fetch` and `give_back` return is called once, before anything else is exchanged. All ranks
    call all of them in the same order. The latter two are for those who make gradients by themselves.
    """

    @property
    def kept_start(self) -> int:
        """The first of the rows that stay."""

    @property
    def num_kept(self) -> int:
        """How many."""

    def begin(self, rows: Tensor) -> Callable[[], Tensor]:
        """Begin what `GraphLayer.exchange` does; what is returned gives its rows, differentiably."""

    def fetch(self, rows: Tensor) -> Callable[[], Tensor]:
        """Begin to bring rows from other ranks; what is returned gives them, (received, width)."""

    def give_back(self, gradient: Tensor) -> Callable[[Tensor], None]:
        """Begin to take gradients to where `fetch` had the rows from, (received, width).

        What is returned adds those of this rank's rows to a tensor, (rows that it holds, width).
        """

    def to(self, device: torch.device | str) -> Apart:
        """Return the same exchange with its index tensors on a device."""


@dataclass(eq=False)
class GraphLayer:
    """One layer of a mini-batch: D destinations, S sources, E edges between them.

    The sources list the destinations first, in order; PyG's bipartite convolutions rely on it.

    Attributes:
        sources: int64 (S,), ids in the whole graph.
        num_destinations: D.
        indptr: int64 (D + 1,).
        indices: int64 (E,), positions in ``sources``; those of destination d are
            ``indices[indptr[d]:indptr[d + 1]]`` (CSC).
        edge_weight: float (E,), in the order of ``indices``, or None.
        degrees: (S,), in-edges of each source in the whole graph, int64; or the sum of their weights,
            float; None where nobody counted.
        exchange_rows: How rows of the layer below become those of ``sources``; None: they are those.
        own_rows: int64 (D,) or a slice, positions of the destinations among the rows of the layer below,
            which their owner computed itself; None: the first D.
        apart: The same exchange in pieces, for convolutions that can do without the rows of ``sources`` as
            one tensor; None: there is none.
    """

    sources: Tensor
    num_destinations: int
    indptr: Tensor
    indices: Tensor
    edge_weight: Tensor | None = None
    degrees: Tensor | None = None
    exchange_rows: Exchange | None = None
    own_rows: Tensor | slice | None = None
    apart: Apart | None = None

    def exchange(self, rows: Tensor) -> Tensor:
        """Return the rows of ``sources``, (S, width), for those that the layer below computed here.

        All ranks call it once per layer, in the same order, whatever they own. A layer's rows may be
        exchanged several times (hidden rows and skipped ones), as long as all ranks do.
        """
        return rows if self.exchange_rows is None else self.exchange_rows(rows)

    def begin(self, rows: Tensor) -> Callable[[], Tensor]:
        """Begin `exchange` and return what ends it and gives its rows.

        It is called once, before anything else is exchanged. What is done in between is no time of waiting.
        """
        if self.apart is not None:
            return self.apart.begin(rows)
        sources = self.exchange(rows)
        return lambda: sources

    def own(self, rows: Tensor) -> Tensor:
        """Return the destinations' rows, (D, width), of the layer below: none has to be moved for it."""
        return rows[: self.num_destinations] if self.own_rows is None else rows[self.own_rows]

    @property
    def destinations(self) -> Tensor:
        """The destinations' ids in the whole graph, int64 (D,)."""
        return self.sources[: self.num_destinations]

    @property
    def num_edges(self) -> int:
        """E."""
        return len(self.indices)

    @property
    def size(self) -> tuple[int, int]:
        """(S, D), as PyG's ``size`` of a bipartite graph."""
        return len(self.sources), self.num_destinations

    @cached_property
    def edge_index(self) -> Tensor:
        """The edges as PyG takes them: int64 (2, E), positions of sources above those of destinations."""
        counts = self.indptr.diff()
        destinations = torch.arange(self.num_destinations, device=counts.device)
        repeated = destinations.repeat_interleave(counts, output_size=self.num_edges)
        return torch.stack([self.indices, repeated])

    def without_weights(self) -> Self:
        """Return the layer with every edge alike."""
        return dataclasses.replace(self, edge_weight=None)

    def to(self, device: torch.device | str) -> Self:
        """Return the layer with its tensors on a device."""
        return _moved(self, device)


@dataclass(eq=False)
class GraphBatch:
    """One rank's part of a mini-batch; in one process, all of it.

    Attributes:
        x: float (I, F), features of ``inputs``.
        inputs: int64 (I,), ids in the whole graph of the rows that this rank loaded.
        layers: From the inputs up; the last one's destinations are the seeds that this rank computes.
        seeds: int64 (N,), ids of the seeds that this rank scores, in the order of ``home``'s rows.
        y: int64 (N,), their labels, -1 where unknown; None where there are none.
        num_seeds: Seeds of the mini-batch over all ranks.
        num_shares: Ranks over which the mini-batch's seeds are divided, and gradients averaged.
        home_exchange: How the outputs of the last layer become those of ``seeds``; None: they are those.
        sum_over_ranks: Differentiable sum of a tensor over the ranks that share the mini-batch's
            vertices, for exact statistics; None: this rank has them all.
        key: What random draws inside the network are keyed by, the same on all ranks: of one
            mini-batch. Draws keyed by it and by vertex do not depend on the number of ranks.
        counts: What was sampled and moved, for monitoring: ``edges``, ``input_rows``, ``shuffled_rows``
            of this rank, and seconds by stage (``sample_seconds``, ``load_seconds``).
        weighed: Whether ``mean`` was asked for: ``split_parallel`` weighs other losses by itself.
    """

    x: Tensor
    inputs: Tensor
    layers: list[GraphLayer]
    seeds: Tensor
    y: Tensor | None
    num_seeds: int
    num_shares: int = 1
    home_exchange: Exchange | None = None
    sum_over_ranks: Callable[[Tensor], Tensor] | None = None
    key: int = 0
    counts: dict[str, float] = field(default_factory=dict)
    weighed: bool = False

    def home(self, outputs: Tensor) -> Tensor:
        """Return the outputs of ``seeds``, (N, width), for those that the last layer computed here."""
        return outputs if self.home_exchange is None else self.home_exchange(outputs)

    def mean(self, values: Tensor) -> Tensor:
        """Return this rank's share of a mean over the mini-batch's seeds.

        The average of the shares over the ranks is the mean over all seeds, also where the ranks have
        unequally many or none. Where they have equally many, it is ``values.mean()``: an unmodified
        loss is right.

        Args:
            values: float (N,), one of each of ``seeds``.
        """
        self.weighed = True
        return values.sum() * (self.num_shares / self.num_seeds)

    def to(self, device: torch.device | str) -> Self:
        """Return the batch with its tensors on a device; Lightning calls it."""
        return _moved(self, device)


def _moved(part: Part, device: torch.device | str) -> Part:
    moved = copy.copy(part)
    vars(moved).pop("edge_index", None)  # cached on the old device
    for name, value in vars(moved).items():
        if isinstance(value, list):
            setattr(moved, name, [item.to(device) for item in value])
        elif hasattr(value, "to"):
            setattr(moved, name, value.to(device))
    return moved
