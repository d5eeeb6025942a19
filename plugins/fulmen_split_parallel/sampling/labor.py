"""LABOR-0: layer-neighbour sampling (Balin and Catalyurek, NeurIPS 2023, section 3.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.sampling.block import Block
from fulmen_split_parallel.sampling.edge_passes import count_edges, keep_by_source
from fulmen_split_parallel.sampling.in_edges import InEdgeSampler
from fulmen_split_parallel.sampling.randomness import stream_key


class LaborSampler(InEdgeSampler):
    """Keeps in-edge u -> v when hash(u) is below fanout / in-degree(v).

    The hash belongs to the source, so vertices that share sources keep the same ones: fewer rows are loaded
    for as many edges. Each in-edge of v is kept with probability min(1, fanout / in-degree(v)); how many
    are kept varies around `fanout`, and none may be. Given their number, each set is equally likely, so
    that their mean is an unbiased estimate of the mean over all in-edges. The probabilities are exact to
    2^-32.

    See `InEdgeSampler` for its arguments.
    """

    def sample(
        self, destinations: NDArray[np.int64], fanout: int, *, seed: int, epoch: int, step: int, layer: int
    ) -> Block:
        """Draw in-edges; see `Sampler`."""
        total = len(destinations)
        start, degree = np.empty(total, np.int64), np.empty(total, np.int64)
        before = np.empty(total + 1, np.int64)
        count_edges(self._indptr, destinations, -1, start, degree, before)

        edges, named = np.empty(before[-1], np.int64), np.empty(before[-1], np.int64)
        indptr = np.zeros(total + 1, np.int64)
        key = stream_key(seed, epoch, step, layer)
        share = fanout if fanout >= 0 else int(degree.max(initial=0))

        def keep(first: int, stop: int) -> slice:
            base = int(before[first])
            written = keep_by_source(
                self._indices, share, key, start, degree, base, first, stop, indptr[1:], edges, named
            )
            return slice(base, int(written))

        kept = self._threads.over(total, keep)
        np.cumsum(indptr, out=indptr)
        drawn = np.concatenate([edges[piece] for piece in kept])
        sources, rows = self._relabelling.relabel(
            destinations, np.concatenate([named[piece] for piece in kept])
        )
        return Block(sources, total, indptr, rows, drawn)
