"""The compiled passes of the samplers over a layer's destinations and edges.

Each pass does one thing to one array, because then each can fetch ahead: one loop that does everything to a
vertex before the next waits for memory at every step and takes about three times as long.

Arrays that are only read come as read-only views, so that mapped files and plain arrays share compiled code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fulmen_split_parallel.sampling.prefetching import AHEAD, prefetch
from fulmen_split_parallel.sampling.randomness import GOLDEN, below, mix64

_SHORT = 32  # up to here a linear look for repetitions beats anything cleverer


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A contiguous read-only view, no `numpy.memmap`: one type for the compiler."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


@njit(cache=True, nogil=True)
def count_edges(
    indptr: NDArray[np.int64],
    destinations: NDArray[np.int64],
    fanout: int,
    start: NDArray[np.int64],
    degree: NDArray[np.int64],
    offsets: NDArray[np.int64],
) -> None:
    """Look up where the in-edges of each destination start and how many there are; sum how many are drawn."""
    last = len(destinations) - 1
    offsets[0] = 0
    for i in range(len(destinations)):
        prefetch(indptr, destinations[min(i + AHEAD, last)])
        vertex = destinations[i]
        start[i] = indptr[vertex]
        degree[i] = indptr[vertex + 1] - start[i]
        offsets[i + 1] = offsets[i] + (degree[i] if fanout < 0 else min(degree[i], fanout))


@njit(cache=True, nogil=True)
def draw_edges(
    destinations: NDArray[np.int64],
    fanout: int,
    key: np.uint64,
    start: NDArray[np.int64],
    degree: NDArray[np.int64],
    offsets: NDArray[np.int64],
    first: int,
    stop: int,
    edges: NDArray[np.int64],
) -> None:
    """Draw in-edges of each destination from `first` to `stop` - 1: places in the graph's indices."""
    for i in range(first, stop):
        begin, count, place = start[i], degree[i], offsets[i]
        if fanout < 0 or count <= fanout:
            for j in range(count):
                edges[place + j] = begin + j
            continue
        counter = mix64(key + np.uint64(destinations[i]) * GOLDEN)
        if fanout <= _SHORT or fanout * fanout <= 2 * count:
            _floyd(counter, fanout, begin, count, place, edges)
        else:
            _sequential(counter, fanout, begin, count, place, edges)


@njit(inline="always")
def _floyd(
    counter: np.uint64, fanout: int, begin: int, count: int, place: int, edges: NDArray[np.int64]
) -> None:
    """Robert Floyd's sampling without replacement: each set is equally likely (CACM 30(9), 1987)."""
    for j in range(fanout):
        counter += GOLDEN
        top = count - fanout + j
        drawn = np.int64(begin + below(mix64(counter), top + 1))
        for seen in range(place, place + j):
            if edges[seen] == drawn:
                drawn = np.int64(begin + top)
                break
        edges[place + j] = drawn


@njit(inline="always")
def _sequential(
    counter: np.uint64, fanout: int, begin: int, count: int, place: int, edges: NDArray[np.int64]
) -> None:
    """Knuth's algorithm S (TAOCP 2, 3.4.2): one draw for each in-edge, none to compare with."""
    taken = 0
    for j in range(count):
        counter += GOLDEN
        if below(mix64(counter), count - j) < fanout - taken:
            edges[place + taken] = begin + j
            taken += 1


@njit(cache=True, nogil=True)
def read_sources(
    indices: NDArray[Any], edges: NDArray[np.int64], first: int, stop: int, named: NDArray[np.int64]
) -> None:
    """Look up the source of each edge from `first` to `stop` - 1."""
    for i in range(first, stop):
        prefetch(indices, edges[min(i + AHEAD, stop - 1)])
        named[i] = indices[edges[i]]


@njit(cache=True, nogil=True)
def keep_by_source(
    indices: NDArray[Any],
    fanout: int,
    key: np.uint64,
    start: NDArray[np.int64],
    degree: NDArray[np.int64],
    base: int,
    first: int,
    stop: int,
    kept: NDArray[np.int64],
    edges: NDArray[np.int64],
    named: NDArray[np.int64],
) -> int:
    """Keep in-edge u -> v when the hash of u is below fanout / in-degree(v), for some of the destinations.

    Args:
        indices: The graph's.
        fanout: 1 or more.
        key: Of the layer.
        start: The first in-edge of each destination.
        degree: Their number.
        base: Where to write in `edges` and `named`: at most as many places as there are in-edges.
        first: The first destination to look at.
        stop: The one after the last.
        kept: Out, how many were kept of each destination.
        edges: Out, their places in the graph's indices.
        named: Out, their sources.

    Returns:
        Where the next would have been written.
    """
    place = base
    for i in range(first, stop):
        bar = np.uint64(4294967296.0 * min(1.0, fanout / max(degree[i], 1)))
        before = place
        for edge in range(start[i], start[i] + degree[i]):
            source = indices[edge]
            # Written whether kept or not: a branch here would be mispredicted every other time.
            edges[place] = edge
            named[place] = source
            place += 1 if mix64(key + np.uint64(source) * GOLDEN) >> np.uint64(32) < bar else 0
        kept[i] = place - before
    return place
