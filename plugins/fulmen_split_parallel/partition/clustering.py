"""Vertices that belong together become one, so that whole communities can change parts.

Size-constrained label propagation: each vertex joins the cluster that its edges weigh most into and that has
room for it.

Source: Meyerhenke, Sanders and Schulz, "Partitioning complex networks via size-constrained clustering"
(SEA 2014).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fulmen_split_parallel.partition.weighted_graph import WeightedGraph, transposed

PASSES = 3


def contracted(
    graph: WeightedGraph, most: float, part: NDArray[Any] | None = None
) -> tuple[WeightedGraph, NDArray[np.int64]]:
    """Return the graph of clusters, and the cluster of each vertex, int64 (V,).

    Args:
        graph: Of vertices.
        most: The largest weight of a cluster of several vertices.
        part: Unsigned integers (V,): no cluster has vertices of two parts. None: all may join.
    """
    part = np.zeros(graph.num_vertices, np.uint8) if part is None else part
    arrays = (graph.indptr, graph.neighbours, graph.edge_weights, graph.vertex_weights)
    label = _clusters(*arrays, part, most, PASSES)
    _, cluster = np.unique(label, return_inverse=True)
    count = int(cluster.max()) + 1
    members = np.argsort(cluster, kind="stable")
    weights = np.zeros(count, np.int64)
    np.add.at(weights, cluster, graph.vertex_weights)
    between = _between(graph.indptr, graph.neighbours, graph.edge_weights, cluster, members, count)
    # Both ways are there, so that turning all edges around changes nothing but the order: ascending.
    return WeightedGraph(*transposed(*between, count), weights), cluster


@njit(cache=True, nogil=True)
def _between(
    indptr: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    edge_weights: NDArray[np.int64],
    cluster: NDArray[np.int64],
    members: NDArray[np.int64],
    count: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Add the edges between clusters; `members` are the vertices, cluster by cluster."""
    pointers = np.zeros(count + 1, np.int64)
    out = np.empty(len(neighbours), np.int32)
    weights = np.empty(len(neighbours), np.int64)
    place_of = np.full(count, -1, np.int64)  # where this cluster's edge to another stands
    place = 0
    for i in range(len(members)):
        v = members[i]
        here = cluster[v]
        for e in range(indptr[v], indptr[v + 1]):
            other = cluster[neighbours[e]]
            if other == here:
                continue
            if place_of[other] < pointers[here]:  # not met, or by an earlier cluster
                place_of[other] = place
                out[place] = other
                weights[place] = 0
                place += 1
            weights[place_of[other]] += edge_weights[e]
        pointers[here + 1] = place
    return pointers, out[:place].copy(), weights[:place].copy()


@njit(cache=True, nogil=True)
def _clusters(
    indptr: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    edge_weights: NDArray[np.int64],
    vertex_weights: NDArray[np.int64],
    part: NDArray[Any],
    most: float,
    passes: int,
) -> NDArray[np.int64]:
    count = len(vertex_weights)
    label = np.arange(count)
    load = vertex_weights.copy()
    pull = np.zeros(count, np.int64)
    met = np.empty(count, np.int64)  # the clusters that have a pull: few, so that clearing is cheap
    for _ in range(passes):
        for v in range(count):
            here, clusters = label[v], 0
            for e in range(indptr[v], indptr[v + 1]):
                if part[neighbours[e]] != part[v]:
                    continue
                cluster = label[neighbours[e]]
                if pull[cluster] == 0:
                    met[clusters] = cluster
                    clusters += 1
                pull[cluster] += edge_weights[e]
            best, best_pull = here, pull[here]
            for i in range(clusters):
                cluster = met[i]
                if pull[cluster] > best_pull and load[cluster] + vertex_weights[v] <= most:
                    best, best_pull = cluster, pull[cluster]
                pull[cluster] = 0
            if best != here:
                load[here] -= vertex_weights[v]
                load[best] += vertex_weights[v]
                label[v] = best
    return label
