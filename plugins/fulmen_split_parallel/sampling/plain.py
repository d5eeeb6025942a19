"""Sampling in plain NumPy: what the compiled passes must agree with (to be replaced)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.sampling.block import Block


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def stream_key(*counters: int) -> NDArray[np.uint64]:
    """uint64 (1,): the key of a stream of draws."""
    key = np.zeros(1, np.uint64)
    for counter in counters:
        key = _mix((key ^ np.uint64(counter)) + np.uint64(0x9E3779B97F4A7C15))
    return key


def uniform_hash(key: NDArray[np.uint64], ids: NDArray[Any]) -> NDArray[np.float64]:
    """float64 in [0, 1), a draw for each id."""
    mixed = _mix(key + ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def in_edges(graph: Graph, destinations: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every in-edge of the destinations: the row of its destination, its place in ``graph.indices``."""
    start = graph.indptr[destinations]
    degree = graph.indptr[destinations + 1] - start
    rows = np.repeat(np.arange(len(destinations)), degree)
    before = np.cumsum(degree) - degree
    return rows, np.arange(len(rows)) + (start - before)[rows]


def block_of(
    graph: Graph, destinations: NDArray[np.int64], rows: NDArray[np.int64], edges: NDArray[np.int64]
) -> Block:
    """The block of these edges; new sources in the order in which edges name them."""
    named = np.concatenate([destinations, graph.indices[edges].astype(np.int64)])
    vertices, first, inverse = np.unique(named, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(destinations)))])
    return Block(
        vertices[order],
        len(destinations),
        indptr.astype(np.int64),
        place[inverse[len(destinations) :]],
        edges,
    )
