"""The whole graph instead of a mini-batch: every vertex at its owner, from all in-edges."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fulmen_split_parallel.cooperative.lookahead import Lookahead
from fulmen_split_parallel.cooperative.plan import Planner
from fulmen_split_parallel.cooperative.shuffle import Shuffle
from fulmen_split_parallel.cooperative.transport import Transport, gather
from fulmen_split_parallel.networks.layerwise import CHUNK_EDGES, Chunk, chunk_bounds
from fulmen_split_parallel.networks.single import layer_of


class SharedWholeGraph:
    """A rank's own vertices, in chunks, for inference layer by layer; see `WholeGraph`.

    Args:
        planner: Of this rank's group; its sampler takes all in-edges for a fan-out of -1.
        transport: For rows.
        lookahead: Which plans all that this rank plans, so that the planner does one thing at a time.
        chunk_edges: Edges and vertices of a chunk, at most; a vertex with more in-edges is a chunk alone.
    """

    def __init__(
        self,
        planner: Planner,
        transport: Transport,
        lookahead: Lookahead,
        chunk_edges: int = CHUNK_EDGES,
    ) -> None:
        self.graph = planner.sampler.graph
        self.planner, self.transport, self.lookahead = planner, transport, lookahead
        self.vertices = np.flatnonzero(planner.owner == transport.rank)
        self.chunk_edges = chunk_edges

    def chunks(self) -> Iterator[Chunk]:
        """Yield this rank's vertices, in order; empty chunks at the end where others have more.
        Collective."""
        bounds = list(chunk_bounds(self.graph, self.vertices, self.chunk_edges))
        (most,) = self.lookahead.each([len(bounds)], self._most)
        nothing = (len(self.vertices), len(self.vertices))
        return self.lookahead.each(bounds + [nothing] * (most - len(bounds)), self._chunk)

    def features(self, rows: NDArray[np.int64] | slice) -> Tensor:
        """Return features of some of this rank's vertices, float32 (n, F)."""
        return torch.from_numpy(np.asarray(self.graph.features[self.vertices[rows]], np.float32))

    def _most(self, own: int) -> int:
        return int(gather(self.planner.transport, np.array([own], np.int64)).max())

    def _chunk(self, bounds: tuple[int, int]) -> Chunk:
        start, stop = bounds
        destinations = self.vertices[start:stop]
        block = self.planner.sampler.sample(destinations, -1, seed=0, epoch=0, step=0, layer=0)
        plan, below = self.planner.cooperate(block)
        layer = dataclasses.replace(
            layer_of(plan.block, self.graph), exchange_rows=Shuffle(plan.route, self.transport)
        )
        return Chunk(start, stop, np.searchsorted(self.vertices, below), layer)
