"""LABOR-0: layer-neighbour sampling (Balin and Catalyurek, NeurIPS 2023, section 3.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.sampling.block import Block
from fulmen_split_parallel.sampling.plain import block_of, in_edges, stream_key, uniform_hash


class LaborSampler:
    """Keeps edge u -> v when hash(u) < fanout / in-degree(v): vertices that share sources keep the same ones."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def sample(
        self, destinations: NDArray[np.int64], fanout: int, *, seed: int, epoch: int, step: int, layer: int
    ) -> Block:
        """Draw in-edges; see `Sampler`."""
        rows, edges = in_edges(self.graph, destinations)
        if fanout >= 0:
            degree = np.diff(self.graph.indptr)[destinations]
            draw = uniform_hash(stream_key(seed, epoch, step, layer), self.graph.indices[edges])
            kept = draw * degree[rows] < fanout
            rows, edges = rows[kept], edges[kept]
        return block_of(self.graph, destinations, rows, edges)
