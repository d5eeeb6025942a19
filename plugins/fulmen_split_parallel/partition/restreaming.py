"""Re-streaming LDG: vertices pass by again and again, each goes where its neighbours are.

The first passes stream by linear deterministic greedy (LDG): vertex v goes to the part p with the largest
``w(v, p) * (1 - load(p) / capacity)``, where ``w(v, p)`` is the weight of v's edges into p as it stands.
The pull of emptier parts lets communities gather without any part running over; it also keeps single
vertices away from their neighbours, so that the last passes drop it: v goes to the part with the largest
``w(v, p)`` that has room for it. From its second pass on, a vertex is looked at only when a neighbour has
moved since: what a pass costs falls with what it still finds. Where the stream starts decides which optimum
it ends in, so it is tried from several places and the smallest cut is kept. Nothing is coarsened; memory is
the graph and a few bytes a vertex.

Sources: Stanton and Kliot, "Streaming graph partitioning for large distributed graphs" (KDD 2012), for
LDG; Nishimura and Ugander, "Restreaming graph partitioning" (KDD 2013), for passing again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fulmen_split_parallel.partition.weighted_graph import WeightedGraph

LDG_PASSES = 16
GREEDY_PASSES = 4
TRIES = 4
# Of LDG, in mean loads. At 1 the pull of emptier parts drowns that of neighbours and communities are torn
# (cut .27 in place of .08 on a planted partition in two); above 1.1 parts grow too uneven.
CAPACITY = 1.05
ROOM = 1.03  # of the greedy passes, in mean loads; sampling adds its own unevenness on top


def restream(
    graph: WeightedGraph,
    parts: int,
    ldg_passes: int = LDG_PASSES,
    greedy_passes: int = GREEDY_PASSES,
    tries: int = TRIES,
    capacity: float = CAPACITY,
    room: float = ROOM,
) -> NDArray[Any]:
    """Return the part of each vertex: uint8 or uint16, shape (V,), in 0 .. ``parts`` - 1.

    Vertices pass by in the order of their ids, from another start in each try: ids that mean something (a
    crawl, dates) mostly help, and memory is read in order.

    Args:
        graph: What to partition.
        parts: 1 to 65,535.
        ldg_passes: At least 1.
        greedy_passes: 0 or more.
        tries: At least 1.
        capacity: Of LDG, in mean loads, at least 1.
        room: The largest load of a part that the greedy passes make, in mean loads, at least 1. A part
            that the LDG passes filled further gives vertices away until it is down to that, or no other
            part has room.
    """
    best, best_cut = None, np.inf
    for number in range(tries):
        start = graph.num_vertices * number // tries
        owner = _tried(graph, parts, start, ldg_passes, greedy_passes, capacity, room)
        cut = _cut(graph.indptr, graph.neighbours, graph.edge_weights, owner)
        if cut < best_cut:
            best, best_cut = owner, cut
    assert best is not None
    return best


def _tried(
    graph: WeightedGraph,
    parts: int,
    start: int,
    ldg_passes: int,
    greedy_passes: int,
    capacity: float,
    room: float,
) -> NDArray[Any]:
    nowhere = parts  # a part more, whose pull is never looked at: no test for vertices without a place
    owner = np.full(graph.num_vertices, nowhere, np.uint8 if parts <= 255 else np.uint16)
    load = np.zeros(parts + 1, np.float64)
    waiting = np.ones(graph.num_vertices, np.bool_)
    mean = graph.vertex_weights.sum() / parts
    arrays = (graph.indptr, graph.neighbours, graph.edge_weights, graph.vertex_weights, owner, load, waiting)
    for _ in range(ldg_passes):
        _ldg_pass(*arrays, start, capacity * mean)
    waiting[:] = True
    for _ in range(greedy_passes):
        _greedy_pass(*arrays, start, room * mean)
    return owner


@njit(cache=True, nogil=True)
def _cut(
    indptr: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    edge_weights: NDArray[np.int64],
    owner: NDArray[Any],
) -> int:
    cut = 0
    for v in range(len(owner)):
        for e in range(indptr[v], indptr[v + 1]):
            cut += edge_weights[e] * (owner[neighbours[e]] != owner[v])
    return cut


@njit(cache=True, nogil=True)
def _ldg_pass(
    indptr: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    edge_weights: NDArray[np.int64],
    vertex_weights: NDArray[np.int64],
    owner: NDArray[Any],
    load: NDArray[np.float64],
    waiting: NDArray[np.bool_],
    start: int,
    capacity: float,
) -> None:
    parts = load.size - 1
    pull = np.zeros(parts + 1, np.int64)
    for step in range(len(owner)):
        v = (start + step) % len(owner)
        if not waiting[v]:
            continue
        waiting[v] = False
        here = owner[v]
        load[here] -= vertex_weights[v]
        pull[:] = 0
        for e in range(indptr[v], indptr[v + 1]):
            pull[owner[neighbours[e]]] += edge_weights[e]
        best, best_score, emptiest = parts, 0.0, 0
        for p in range(parts):
            score = pull[p] * (capacity - load[p])
            if score > best_score:
                best, best_score = p, score
            if load[p] < load[emptiest]:
                emptiest = p
        if best == parts:  # no neighbour has a place yet, or only in full parts
            best = emptiest
        load[best] += vertex_weights[v]
        if best != here:
            owner[v] = best
            for e in range(indptr[v], indptr[v + 1]):
                waiting[neighbours[e]] = True


@njit(cache=True, nogil=True)
def _greedy_pass(
    indptr: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    edge_weights: NDArray[np.int64],
    vertex_weights: NDArray[np.int64],
    owner: NDArray[Any],
    load: NDArray[np.float64],
    waiting: NDArray[np.bool_],
    start: int,
    most: float,
) -> None:
    parts = load.size - 1
    pull = np.zeros(parts + 1, np.int64)
    for step in range(len(owner)):
        v = (start + step) % len(owner)
        here = int(owner[v])
        crowded = load[here] > most
        if not (waiting[v] or crowded):
            continue
        waiting[v] = False
        weight = vertex_weights[v]
        pull[:] = 0
        for e in range(indptr[v], indptr[v + 1]):
            pull[owner[neighbours[e]]] += edge_weights[e]
        best = here
        for p in range(parts):
            if p == here or load[p] + weight > most:
                continue
            leaves = crowded and best == here  # for whatever part has room
            if (
                leaves
                or pull[p] > pull[best]
                or (pull[p] == pull[best] and best != here and load[p] < load[best])
            ):
                best = p
        if best != here:
            load[here] -= weight
            load[best] += weight
            owner[v] = best
            for e in range(indptr[v], indptr[v + 1]):
                waiting[neighbours[e]] = True
