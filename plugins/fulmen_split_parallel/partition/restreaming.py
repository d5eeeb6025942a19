"""Re-streaming LDG: vertices pass by again and again, each goes where its neighbours are.

The first passes stream by linear deterministic greedy (LDG): vertex v goes to the part p with the largest
``w(v, p) * (1 - load(p) / capacity)``, where ``w(v, p)`` is the weight of v's edges into p as it stands.
The pull of emptier parts lets communities gather without any part running over; it also keeps single
vertices away from their neighbours, so that the last passes drop it: v goes to the part with the largest
``w(v, p)`` that has room for it. From its second pass on, a vertex is looked at only when a neighbour has
moved since: what a pass costs falls with what it still finds.

Single vertices cannot carry a community from one part to another, so the stream begins with clusters and
goes on with what they are made of, down to the vertices. Clusters are few: they are streamed from several
places, and the smallest cut is kept.

What room the passes used is given back in the end, for ranks wait for the one that has most: from parts
above the mean go those whose leaving cuts least for what they weigh. Clusters go first, made anew within the
parts, so that a community leaves as one, then single vertices.

Sources: Stanton and Kliot, "Streaming graph partitioning for large distributed graphs" (KDD 2012), for
LDG; Nishimura and Ugander, "Restreaming graph partitioning" (KDD 2013), for passing again. Beginning with
clusters is ours here, and what multilevel partitioners do (Karypis and Kumar 1998); clusters within parts
are those of Walshaw's iterated multilevel (2004).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fulmen_split_parallel.partition.clustering import contracted
from fulmen_split_parallel.partition.weighted_graph import WeightedGraph

FIRST_PASSES = 16  # of LDG, where nothing is placed yet
PASSES = 4  # of LDG, one level further down
GREEDY_PASSES = 6
TRIES = 16
# Of LDG, in mean loads. At 1 the pull of emptier parts drowns that of neighbours and communities are torn
# (cut .27 in place of .08 on a planted partition in two); above 1.1 parts grow too uneven.
CAPACITY = 1.05
ROOM = 1.03  # of the greedy passes, in mean loads: without any, no vertex could move
EVEN = 1.003  # the most that is left in the end; sampling adds its own unevenness on top
CLUSTER = 0.1  # of a part, at most: heavier ones cannot be balanced
LEVELS = 4
FEW = 200  # clusters a part: fewer are not worth another level
SHRINKS = 0.9  # a level that leaves more than that of the one above is the last


def restream(
    graph: WeightedGraph,
    parts: int,
    *,
    tries: int = TRIES,
    levels: int = LEVELS,
    capacity: float = CAPACITY,
    room: float = ROOM,
    even: float = EVEN,
) -> NDArray[Any]:
    """Return the part of each vertex: uint8 or uint16, shape (V,), in 0 .. ``parts`` - 1.

    Vertices pass by in the order of their ids: ids that mean something (a crawl, dates) mostly help, and
    memory is read in order.

    Args:
        graph: What to partition.
        parts: 1 to 65,535.
        tries: Of the stream of clusters, from so many places; at least 1.
        levels: Of clusters, at most; 0: vertices alone.
        capacity: Of LDG, in mean loads, at least 1.
        room: The largest load of a part that the greedy passes make, in mean loads, at least 1. A part
            that the LDG passes filled further gives vertices away until it is down to that, or no other
            part has room.
        even: The largest load in the end, likewise, as far as vertices are light enough; at most ``room``.
    """
    most = CLUSTER * graph.vertex_weights.sum() / parts
    graphs: list[WeightedGraph] = [graph]
    clusters: list[NDArray[np.int64]] = []
    while len(clusters) < levels and graphs[-1].num_vertices > FEW * parts:
        coarse, cluster = contracted(graphs[-1], most)
        if coarse.num_vertices > SHRINKS * graphs[-1].num_vertices:
            break
        graphs.append(coarse)
        clusters.append(cluster)
    owner = _best_of(graphs[-1], parts, tries, capacity, room)
    for finer, cluster in zip(graphs[-2::-1], clusters[::-1], strict=True):
        owner = _streamed(finer, parts, owner[cluster], 0, PASSES, capacity, room)
    even = min(even, room)
    if clusters:
        coarse, cluster = contracted(graph, most, owner)
        side = np.empty(coarse.num_vertices, owner.dtype)
        side[cluster] = owner
        owner = _evened(coarse, parts, side, even)[cluster]
    return _evened(graph, parts, owner, even)


def _evened(graph: WeightedGraph, parts: int, owner: NDArray[Any], even: float) -> NDArray[Any]:
    load = np.zeros(parts + 1, np.float64)
    np.add.at(load, owner, graph.vertex_weights)
    most = even * graph.vertex_weights.sum() / parts
    arrays = (graph.indptr, graph.neighbours, graph.edge_weights, graph.vertex_weights, owner, load)
    leaving = np.flatnonzero(load[owner] > most)
    prices = _prices(*arrays[:5], leaving, parts)
    _leave(*arrays, leaving[np.argsort(prices, kind="stable")], most)
    waiting = np.ones(graph.num_vertices, np.bool_)
    for _ in range(GREEDY_PASSES):
        _greedy_pass(*arrays, waiting, 0, most)
    return owner


def _best_of(graph: WeightedGraph, parts: int, tries: int, capacity: float, room: float) -> NDArray[Any]:
    nowhere = np.full(graph.num_vertices, parts, np.uint8 if parts <= 255 else np.uint16)
    best, best_cut = nowhere, np.inf
    for number in range(tries):
        start = graph.num_vertices * number // tries
        owner = _streamed(graph, parts, nowhere.copy(), start, FIRST_PASSES, capacity, room)
        cut = _cut(graph.indptr, graph.neighbours, graph.edge_weights, owner)
        if cut < best_cut:
            best, best_cut = owner, cut
    return best


def _streamed(
    graph: WeightedGraph,
    parts: int,
    owner: NDArray[Any],
    start: int,
    ldg_passes: int,
    capacity: float,
    room: float,
) -> NDArray[Any]:
    """Stream from where vertices are; ``parts`` is nowhere: a part whose pull is never looked at."""
    load = np.zeros(parts + 1, np.float64)
    np.add.at(load, owner, graph.vertex_weights)
    waiting = np.ones(graph.num_vertices, np.bool_)
    mean = graph.vertex_weights.sum() / parts
    arrays = (graph.indptr, graph.neighbours, graph.edge_weights, graph.vertex_weights, owner, load, waiting)
    for _ in range(ldg_passes):
        _ldg_pass(*arrays, start, capacity * mean)
    waiting[:] = True
    for _ in range(GREEDY_PASSES):
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
def _sum_pull(
    indptr: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    edge_weights: NDArray[np.int64],
    owner: NDArray[Any],
    v: int,
    pull: NDArray[np.int64],
) -> None:
    """Write into ``pull`` the weight of a vertex's edges into each part."""
    pull[:] = 0
    for e in range(indptr[v], indptr[v + 1]):
        pull[owner[neighbours[e]]] += edge_weights[e]


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
        _sum_pull(indptr, neighbours, edge_weights, owner, v, pull)
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
        _sum_pull(indptr, neighbours, edge_weights, owner, v, pull)
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


@njit(cache=True, nogil=True)
def _prices(
    indptr: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    edge_weights: NDArray[np.int64],
    vertex_weights: NDArray[np.int64],
    owner: NDArray[Any],
    leaving: NDArray[np.int64],
    parts: int,
) -> NDArray[np.float64]:
    """Return what is cut more for each vertex that goes where it is drawn most, over its weight."""
    prices = np.empty(len(leaving), np.float64)
    pull = np.zeros(parts, np.int64)
    for i in range(len(leaving)):
        v = leaving[i]
        here = int(owner[v])
        _sum_pull(indptr, neighbours, edge_weights, owner, v, pull)
        most = 0
        for p in range(parts):
            if p != here and pull[p] > most:
                most = pull[p]
        prices[i] = (pull[here] - most) / vertex_weights[v]
    return prices


@njit(cache=True, nogil=True)
def _leave(
    indptr: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    edge_weights: NDArray[np.int64],
    vertex_weights: NDArray[np.int64],
    owner: NDArray[Any],
    load: NDArray[np.float64],
    leaving: NDArray[np.int64],
    most: float,
) -> None:
    """Let vertices go, one by one, while their part is above `most`, to where they fit and are drawn most."""
    parts = load.size - 1
    pull = np.zeros(parts, np.int64)
    for v in leaving:
        here, weight = int(owner[v]), vertex_weights[v]
        if load[here] <= most:
            continue
        _sum_pull(indptr, neighbours, edge_weights, owner, v, pull)
        best = here
        for p in range(parts):
            if p != here and load[p] + weight <= most and (best == here or pull[p] > pull[best]):
                best = p
        if best != here:
            load[here] -= weight
            load[best] += weight
            owner[v] = best
