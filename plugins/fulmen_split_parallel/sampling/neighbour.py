"""Neighbour sampling: so many in-edges of each vertex, without replacement (Hamilton et al., NeurIPS 2017)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.sampling.block import Block
from fulmen_split_parallel.sampling.plain import block_of, in_edges, stream_key, uniform_hash


class NeighbourSampler:
    """Draws `fanout` in-edges of each vertex, each set of so many with equal probability."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def sample(
        self, destinations: NDArray[np.int64], fanout: int, *, seed: int, epoch: int, step: int, layer: int
    ) -> Block:
        """Draw in-edges; see `Sampler`."""
        rows, edges = in_edges(self.graph, destinations)
        if fanout >= 0:
            key = stream_key(seed, epoch, step, layer)
            order = np.lexsort((uniform_hash(key, edges), rows))
            first = np.searchsorted(rows, rows)
            chosen = np.sort(order[np.arange(len(rows)) - first < fanout])
            rows, edges = rows[chosen], edges[chosen]
        return block_of(self.graph, destinations, rows, edges)
