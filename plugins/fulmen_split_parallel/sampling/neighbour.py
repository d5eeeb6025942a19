"""Neighbour sampling: so many in-edges of each vertex (Hamilton, Ying and Leskovec, NeurIPS 2017)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.sampling.block import Block
from fulmen_split_parallel.sampling.edge_passes import count_edges, draw_edges, read_sources
from fulmen_split_parallel.sampling.in_edges import InEdgeSampler
from fulmen_split_parallel.sampling.randomness import stream_key


class NeighbourSampler(InEdgeSampler):
    """Draws `fanout` in-edges of each vertex without replacement, each set of so many equally likely.

    See `InEdgeSampler` for its arguments.
    """

    def sample(
        self, destinations: NDArray[np.int64], fanout: int, *, seed: int, epoch: int, step: int, layer: int
    ) -> Block:
        """Draw in-edges; see `Sampler`."""
        total = len(destinations)
        start, degree = np.empty(total, np.int64), np.empty(total, np.int64)
        indptr = np.empty(total + 1, np.int64)
        count_edges(self._indptr, destinations, fanout, start, degree, indptr)

        edges, named = np.empty(indptr[-1], np.int64), np.empty(indptr[-1], np.int64)
        key = stream_key(seed, epoch, step, layer)
        self._threads.over(
            total,
            lambda first, stop: draw_edges(
                destinations, fanout, key, start, degree, indptr, first, stop, edges
            ),
        )
        self._threads.over(
            len(edges), lambda first, stop: read_sources(self._indices, edges, first, stop, named)
        )
        sources, rows = self._relabelling.relabel(destinations, named)
        return Block(sources, total, indptr, rows, edges)
