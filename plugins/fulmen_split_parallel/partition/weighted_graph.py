"""The graph that a partitioner sees: undirected, with what sampling makes of its vertices and edges.

An edge counts as often as mini-batches draw it, in both directions together; edges that were never drawn
are left out. A vertex weighs what its owner will do for it, times the mean degree, and 1: so vertices that
sampling never met are spread over the parts too, but a thousand of them do not outweigh one that it did.

Source: GSplit (arXiv:2303.13775), section "splitting function"; the weights are those of the authors'
``get_weight.py`` (destination counts times the mean degree plus 1, edge frequencies), the visits added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray


@dataclass(frozen=True)
class WeightedGraph:
    """An undirected graph with weights.

    Attributes:
        indptr: int64, shape (V + 1,).
        neighbours: int32, shape (A,): those of vertex ``v`` are ``neighbours[indptr[v] : indptr[v + 1]]``,
            ascending, each once. Each edge stands at both of its ends; no self-loops.
        edge_weights: int64, shape (A,), above 0, the same at both ends.
        vertex_weights: int64, shape (V,), above 0.
    """

    indptr: NDArray[np.int64]
    neighbours: NDArray[np.int32]
    edge_weights: NDArray[np.int64]
    vertex_weights: NDArray[np.int64]

    @property
    def num_vertices(self) -> int:
        """V."""
        return self.indptr.size - 1


def weighted_graph(
    indptr: NDArray[np.int64],
    indices: NDArray[np.integer],
    edge_counts: NDArray[np.integer],
    work: NDArray[np.integer],
) -> WeightedGraph:
    """Return the undirected graph of the edges that were drawn.

    Args:
        indptr: int64, shape (V + 1,), of the CSC.
        indices: int, shape (E,): the sources of the in-edges. Edges may stand twice, in any order.
        edge_counts: int, shape (E,), 0 or more: how often each was drawn.
        work: int, shape (V,), 0 or more: what the owner of each vertex does for it.
    """
    count = indptr.size - 1
    into = _drawn(indptr, indices, edge_counts)
    out = transposed(*into, count)
    into = transposed(*out, count)  # turned twice, so that the rows are ascending
    pointers, neighbours, weights = _sum(*into, *out)
    degree = max(1, len(indices) // count)
    return WeightedGraph(pointers, neighbours, weights, work.astype(np.int64) * degree + 1)


_CSR = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]


@njit(cache=True, nogil=True)
def _drawn(indptr: NDArray[np.int64], indices: NDArray[np.integer], counts: NDArray[np.integer]) -> _CSR:
    """Keep the edges with a count, without self-loops."""
    vertices = indptr.size - 1
    pointers = np.zeros(vertices + 1, np.int64)
    for v in range(vertices):
        kept = 0
        for e in range(indptr[v], indptr[v + 1]):
            kept += counts[e] > 0 and indices[e] != v
        pointers[v + 1] = pointers[v] + kept
    neighbours = np.empty(pointers[-1], np.int32)
    weights = np.empty(pointers[-1], np.int64)
    place = 0
    for v in range(vertices):
        for e in range(indptr[v], indptr[v + 1]):
            if counts[e] > 0 and indices[e] != v:
                neighbours[place] = indices[e]
                weights[place] = counts[e]
                place += 1
    return pointers, neighbours, weights


@njit(cache=True, nogil=True)
def transposed(
    indptr: NDArray[np.int64], neighbours: NDArray[np.int32], weights: NDArray[np.int64], vertices: int
) -> _CSR:
    """Turn all edges around; the rows come out ascending."""
    pointers = np.zeros(vertices + 1, np.int64)
    for e in range(neighbours.size):
        pointers[neighbours[e] + 1] += 1
    for v in range(vertices):
        pointers[v + 1] += pointers[v]
    free = pointers[:-1].copy()
    turned = np.empty(neighbours.size, np.int32)
    turned_weights = np.empty(neighbours.size, np.int64)
    for v in range(vertices):
        for e in range(indptr[v], indptr[v + 1]):
            place = free[neighbours[e]]
            free[neighbours[e]] = place + 1
            turned[place] = v
            turned_weights[place] = weights[e]
    return pointers, turned, turned_weights


@njit(cache=True, nogil=True)
def _sum(
    a_pointers: NDArray[np.int64],
    a_neighbours: NDArray[np.int32],
    a_weights: NDArray[np.int64],
    b_pointers: NDArray[np.int64],
    b_neighbours: NDArray[np.int32],
    b_weights: NDArray[np.int64],
) -> _CSR:
    """Add two graphs with ascending rows; parallel edges become one."""
    vertices = a_pointers.size - 1
    pointers = np.zeros(vertices + 1, np.int64)
    neighbours = np.empty(a_neighbours.size + b_neighbours.size, np.int32)
    weights = np.empty(neighbours.size, np.int64)
    place = 0
    for v in range(vertices):
        a, a_end = a_pointers[v], a_pointers[v + 1]
        b, b_end = b_pointers[v], b_pointers[v + 1]
        first = place
        while a < a_end or b < b_end:
            from_a = b == b_end or (a < a_end and a_neighbours[a] <= b_neighbours[b])
            if from_a:
                u, w = a_neighbours[a], a_weights[a]
                a += 1
            else:
                u, w = b_neighbours[b], b_weights[b]
                b += 1
            if place > first and neighbours[place - 1] == u:
                weights[place - 1] += w
            else:
                neighbours[place] = u
                weights[place] = w
                place += 1
        pointers[v + 1] = place
    return pointers, neighbours[:place].copy(), weights[:place].copy()
