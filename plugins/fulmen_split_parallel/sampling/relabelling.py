"""From vertices to rows of a block: which sources are new, and at which row does each stand?"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fulmen_split_parallel.sampling.prefetching import AHEAD, prefetch
from fulmen_split_parallel.sampling.randomness import GOLDEN

STAMPED_VERTICES = 100_000_000  # above, 16 bytes a vertex in each process are too many
_ROW = 0xFFFFFFFF  # an entry is tick << 32 | row
_TICKS = 1 << 31


class Relabelling(Protocol):
    """Gives rows to vertices, one block after another. Holds state: one for each thread."""

    def relabel(
        self, destinations: NDArray[np.int64], named: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the sources, destinations first, then others in the order of their first naming; and rows.

        Args:
            destinations: int64 (D,), each vertex once.
            named: int64 (E,), the source of each edge.

        Returns:
            int64 (S,), each vertex once; int64 (E,), where in it each edge's source stands.
        """
        ...


def relabelling(num_vertices: int, stamped_vertices: int = STAMPED_VERTICES) -> Relabelling:
    """The faster of the two for a graph of this size."""
    return StampRelabelling(num_vertices) if num_vertices <= stamped_vertices else HashRelabelling()


class StampRelabelling:
    """A dense table of stamps, 16 bytes a vertex: one memory access an edge, and nothing to clear.

    A stamp is the number of the block that it was made in, above the vertex's row. Older stamps are void.
    """

    def __init__(self, num_vertices: int) -> None:
        self._stamps = np.zeros(num_vertices, np.int64)
        self._vertices = np.empty(num_vertices, np.int64)
        self._tick = 0
        self._handed_out: NDArray[np.int64] | None = None

    def relabel(
        self, destinations: NDArray[np.int64], named: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """See `Relabelling`."""
        # The layer below starts from the very array that this one gave: its vertices still have their stamps.
        if destinations is not self._handed_out:
            self._tick += 1
            if self._tick == _TICKS:
                self._stamps[:] = 0
                self._tick = 1
            _stamp(self._stamps, self._tick, destinations, self._vertices)
        rows = np.empty(len(named), np.int64)
        total = _relabel_by_stamp(self._stamps, self._tick, self._vertices, len(destinations), named, rows)
        self._handed_out = self._vertices[:total].copy()
        return self._handed_out, rows


class HashRelabelling:
    """An open-addressing table as large as a block needs, whatever the graph's size."""

    def __init__(self) -> None:
        self._keys = np.empty(0, np.int64)
        self._stamps = np.empty(0, np.int64)
        self._tick = 0

    def relabel(
        self, destinations: NDArray[np.int64], named: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """See `Relabelling`."""
        most = len(destinations) + len(named)
        slots = 1 << (2 * most + 1).bit_length()  # at most half full: short ways to a free slot
        if slots > len(self._keys) or self._tick + 1 == _TICKS:
            self._keys, self._stamps, self._tick = np.zeros(slots, np.int64), np.zeros(slots, np.int64), 0
        self._tick += 1
        sources, rows = np.empty(most, np.int64), np.empty(len(named), np.int64)
        nobody = np.empty(len(destinations), np.int64)
        table = (self._keys, self._stamps, self._tick)
        total = _relabel_by_hash(*table, sources, 0, destinations, nobody)
        total = _relabel_by_hash(*table, sources, total, named, rows)
        return sources[:total].copy(), rows


@njit(cache=True, nogil=True)
def _stamp(
    stamps: NDArray[np.int64], tick: int, destinations: NDArray[np.int64], vertices: NDArray[np.int64]
) -> None:
    last = len(destinations) - 1
    for i in range(len(destinations)):
        prefetch(stamps, destinations[min(i + AHEAD, last)])
        stamps[destinations[i]] = tick << 32 | i
        vertices[i] = destinations[i]


@njit(cache=True, nogil=True)
def _relabel_by_stamp(
    stamps: NDArray[np.int64],
    tick: int,
    vertices: NDArray[np.int64],
    total: int,
    named: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> int:
    last, now = len(named) - 1, tick << 32
    for i in range(len(named)):
        prefetch(stamps, named[min(i + AHEAD, last)])
        stamp = stamps[named[i]]
        if stamp < now:
            stamp = now | total
            stamps[named[i]] = stamp
            vertices[total] = named[i]
            total += 1
        rows[i] = stamp & _ROW
    return total


@njit(cache=True, nogil=True)
def _relabel_by_hash(
    keys: NDArray[np.int64],
    stamps: NDArray[np.int64],
    tick: int,
    vertices: NDArray[np.int64],
    total: int,
    named: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> int:
    mask, now = len(keys) - 1, tick << 32
    for i in range(len(named)):
        vertex = named[i]
        slot = np.int64((np.uint64(vertex) * GOLDEN) >> np.uint64(20)) & mask
        while stamps[slot] >= now and keys[slot] != vertex:
            slot = (slot + 1) & mask
        if stamps[slot] < now:
            keys[slot], stamps[slot] = vertex, now | total
            vertices[total] = vertex
            total += 1
        rows[i] = stamps[slot] & _ROW
    return total
