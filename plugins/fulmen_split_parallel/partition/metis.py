"""METIS by pymetis: multilevel k-way partitioning (Karypis and Kumar, SIAM J. Sci. Comput. 20(1), 1998)."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.partition.errors import PartitionError
from fulmen_split_parallel.partition.weighted_graph import WeightedGraph


def metis(graph: WeightedGraph, parts: int) -> NDArray[Any]:
    """Return the part of each vertex: uint8 or uint16, shape (V,).

    Raises:
        PartitionError: pymetis is not installed, or METIS gave up.
    """
    if importlib.util.find_spec("pymetis") is None:
        raise PartitionError(
            "partitioner metis: pymetis is not installed; pip install 'fulmen[pymetis]', or use restreaming"
        )
    import pymetis

    # pymetis looks at none of this: it reads beyond vectors that are too short and takes weights of 0.
    assert len(graph.vertex_weights) == graph.num_vertices
    assert len(graph.edge_weights) == len(graph.neighbours)
    if parts == 1 or not len(graph.neighbours):  # METIS divides by zero where there is nothing to cut
        return _by_weight(graph.vertex_weights, parts)
    try:
        _, owner = pymetis.part_graph(
            parts,
            pymetis.CSRAdjacency(graph.indptr, graph.neighbours),
            vweights=graph.vertex_weights,
            eweights=graph.edge_weights,
        )
    except (RuntimeError, MemoryError) as error:  # RuntimeError: "unknown exception", met on R-MAT graphs
        raise PartitionError(
            f"partitioner metis: gave up on {graph.num_vertices} vertices and {len(graph.neighbours) // 2} "
            f"edges in {parts} parts ({error or 'no reason given'}): use restreaming, which needs less memory"
        ) from error
    return np.asarray(owner).astype(np.uint8 if parts <= 255 else np.uint16)


def _by_weight(weights: NDArray[np.int64], parts: int) -> NDArray[Any]:
    """Deal vertices out, the heaviest first."""
    owner = np.empty(len(weights), np.uint8 if parts <= 255 else np.uint16)
    owner[np.argsort(-weights, kind="stable")] = np.arange(len(weights)) % parts
    return owner
