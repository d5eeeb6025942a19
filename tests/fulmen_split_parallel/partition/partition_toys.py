"""Small graphs that tests partition."""

from __future__ import annotations

import numpy as np

from fulmen_split_parallel.graph.graph import Graph


def graph_of(edges, vertices, train=None):
    """Return the graph of (source, destination) pairs, one feature a vertex."""
    edges = sorted(edges, key=lambda edge: edge[1])
    indptr = np.concatenate([[0], np.cumsum(np.bincount([v for _, v in edges], minlength=vertices))])
    train = np.arange(vertices) if train is None else np.asarray(train)
    none = np.empty(0, np.int64)
    return Graph(
        indptr=indptr.astype(np.int64),
        indices=np.array([u for u, _ in edges], np.int32),
        features=np.ones((vertices, 1), np.float32),
        labels=np.zeros(vertices, np.int64),
        train_idx=train.astype(np.int64),
        valid_idx=none,
        test_idx=none,
    )


def cliques(count, size, bridges=()):
    """Return `count` cliques of `size` vertices and some bridges, both ways."""
    inside = [
        (first * size + u, first * size + v)
        for first in range(count)
        for u in range(size)
        for v in range(size)
        if u != v
    ]
    return graph_of([*inside, *bridges, *((v, u) for u, v in bridges)], count * size)
