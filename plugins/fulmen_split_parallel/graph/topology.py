"""From lists of edges to in-edges by vertex, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.graph.graph import Graph

_INT32 = 1 << 31


def in_edges_by_vertex(
    sources: NDArray[Any], destinations: NDArray[Any], num_vertices: int
) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64]]:
    """Sort edges by destination, and by source within it.

    Args:
        sources: int (E,), vertices.
        destinations: int (E,), vertices.
        num_vertices: V.

    Returns:
        indptr, int64 (V + 1,); indices, int32 where V allows it, else int64, (E,); and order, int64 (E,),
        where in the list each edge stood.
    """
    order = np.lexsort((sources, destinations))
    counts = np.bincount(destinations, minlength=num_vertices)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    kind = np.int32 if num_vertices < _INT32 else np.int64
    return indptr, sources[order].astype(kind), order


def symmetric_simple(
    one: NDArray[np.int64], other: NDArray[np.int64], num_vertices: int
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Both directions of each edge, each once, without self-loops: indptr and indices."""
    apart = one != other
    one, other = one[apart], other[apart]
    # Sorted and compared: several times faster than numpy.unique, which hashes.
    codes = np.sort(np.concatenate([one * num_vertices + other, other * num_vertices + one]))
    codes = codes[np.diff(codes, prepend=-1) > 0]
    indptr = np.searchsorted(codes // num_vertices, np.arange(num_vertices + 1)).astype(np.int64)
    return indptr, (codes % num_vertices).astype(np.int32 if num_vertices < _INT32 else np.int64)


def merge_duplicate_edges(graph: Graph) -> Graph:
    """The graph with one edge where it has several between the same two vertices; their weights are summed.

    In-edges of each vertex come out by source. The merged topology is in memory, mapped no more.
    """
    ends = np.repeat(np.arange(graph.num_vertices), np.diff(graph.indptr))
    _, indices, order = in_edges_by_vertex(graph.indices, ends, graph.num_vertices)
    ends = ends[order]
    first = np.ones(len(indices), bool)
    first[1:] = (indices[1:] != indices[:-1]) | (ends[1:] != ends[:-1])
    starts = np.flatnonzero(first)
    counts = np.bincount(ends[first], minlength=graph.num_vertices)
    weight = graph.edge_weight
    if weight is not None and len(starts):
        weight = np.add.reduceat(weight[order], starts).astype(np.float32)
    return replace(
        graph,
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        indices=indices[first].astype(graph.indices.dtype),
        edge_weight=weight,
    )
