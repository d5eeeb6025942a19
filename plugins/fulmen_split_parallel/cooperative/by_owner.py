"""The order in which a rank keeps the sources of a layer: its own first, then the others' by owner."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def sort_by_owner(
    vertices: NDArray[np.int64], owner: NDArray[np.integer], rank: int, size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order vertices by owner, this rank's first, then rank 0's and so on; those of one owner keep their
    order.

    Returns:
        The place of each vertex in that order, int64 (n,), and how many each rank owns, int64 (P,).
    """
    counts = np.zeros(size, np.int64)
    for vertex in vertices:
        counts[owner[vertex]] += 1
    following = np.empty(size, np.int64)
    start = counts[rank]
    for other in range(size):
        following[other] = start
        if other != rank:
            start += counts[other]
    following[rank] = 0
    places = np.empty(len(vertices), np.int64)
    for i in range(len(vertices)):
        of = owner[vertices[i]]
        places[i] = following[of]
        following[of] += 1
    return places, counts


@njit(cache=True, nogil=True)
def move_indices(
    indices: NDArray[np.int64], num_destinations: int, places: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return a block's indices after its sources beyond the destinations have moved to `places`."""
    moved = np.empty(len(indices), np.int64)
    for i in range(len(indices)):
        old = indices[i]
        moved[i] = old if old < num_destinations else num_destinations + places[old - num_destinations]
    return moved
