"""The partition that knows nothing: vertices fall to parts by a hash of their ids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fulmen_split_parallel.sampling.randomness import GOLDEN, mix64, stream_key


def hashed(vertices: int, parts: int, seed: int) -> NDArray[Any]:
    """Return the part of each vertex: uint8 or uint16, shape (V,).

    Perfectly balanced but for chance, and 1 - 1/P of all edges cross. What GraphBolt's cooperative sampling
    does (an owner by hash), and the measure of what any other partition is worth.
    """
    owner = np.empty(vertices, np.uint8 if parts <= 255 else np.uint16)
    _fill(owner, parts, stream_key(seed, 0, 0, 0))
    return owner


@njit(cache=True, nogil=True)
def _fill(owner: NDArray[Any], parts: int, key: np.uint64) -> None:
    for v in range(len(owner)):
        word = mix64(key + np.uint64(v) * GOLDEN)
        owner[v] = ((word >> np.uint64(32)) * np.uint64(parts)) >> np.uint64(32)
