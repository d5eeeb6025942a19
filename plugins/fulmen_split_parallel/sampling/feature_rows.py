"""The rows of a mini-batch, gathered from a feature matrix that is larger than any cache."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fulmen_split_parallel.sampling.buffers import BufferPool
from fulmen_split_parallel.sampling.edge_passes import read_only
from fulmen_split_parallel.sampling.prefetching import prefetch

_ROWS_AHEAD = 8
_LINE = 64  # bytes fetched at a time


class FeatureRows:
    """Gathers rows into memory that is used again.

    Args:
        features: (V, F), any type, also mapped; rows contiguous.
        pool: Where the memory comes from; None makes one.
    """

    def __init__(self, features: NDArray[Any], pool: BufferPool | None = None) -> None:
        self._features = features
        # Bits are copied whatever they mean, in words as wide as a row's size allows: one compiled loop for
        # all.
        row_bytes = features.shape[1] * features.dtype.itemsize
        word = next(size for size in (8, 4, 2, 1) if row_bytes % size == 0)
        self._word = np.dtype(f"u{word}")
        self._words = read_only(features).view(self._word)
        self._pool = pool or BufferPool()

    def take(self, vertices: NDArray[np.int64]) -> NDArray[Any]:
        """The rows of these vertices, (len(vertices), F), in their order.

        The memory is used again once nothing holds this array, a view or a tensor of it.
        """
        rows = self._pool.empty((len(vertices), self._features.shape[1]), self._features.dtype)
        line = _LINE // self._word.itemsize
        _take(self._words, self._words.reshape(-1), vertices, rows.view(self._word), line)
        return rows


def copy_rows(source: NDArray[np.uint8], index: NDArray[np.int64], target: NDArray[np.uint8]) -> None:
    """Write ``source[index]`` to `target`.

    Args:
        source: (n, bytes of a row), contiguous, aligned to the largest word that divides a row.
        index: int64 (m,), rows of it.
        target: (m, bytes of a row), contiguous, likewise aligned.
    """
    word = np.dtype(f"u{next(size for size in (8, 4, 2, 1) if source.shape[1] % size == 0)}")
    words = source.view(word)
    _take(words, words.reshape(-1), index, target.view(word), _LINE // word.itemsize)


@njit(cache=True, nogil=True)
def _take(
    features: NDArray[Any], flat: NDArray[Any], vertices: NDArray[np.int64], rows: NDArray[Any], line: int
) -> None:
    """Copy rows of `features`, which is `flat` too: a row made only to be fetched ahead costs a third."""
    last, width = len(vertices) - 1, features.shape[1]
    for i in range(len(vertices)):
        ahead = vertices[min(i + _ROWS_AHEAD, last)] * width
        for word in range(0, width, line):
            prefetch(flat, ahead + word)
        # As arrays of their own, because indices that might be negative keep the copy from being vectorised.
        source, target = features[vertices[i]], rows[i]
        for word in range(width):
            target[word] = source[word]
