"""A graph small enough for exact comparisons, with all that makes graphs awkward."""

from __future__ import annotations

import numpy as np

from fulmen_split_parallel.graph.graph import Graph


def small_graph() -> Graph:
    """300 vertices, isolated ones among them, weighted edges, 5 classes."""
    draw = np.random.default_rng(3)
    degrees = draw.integers(0, 12, 300)
    degrees[::29] = 0
    indptr = np.concatenate([[0], np.cumsum(degrees)])
    lists = [draw.choice(300, degree, replace=False) for degree in degrees]
    order = draw.permutation(300)
    return Graph(
        indptr=indptr.astype(np.int64),
        indices=np.concatenate(lists).astype(np.int32),
        features=draw.standard_normal((300, 12)).astype(np.float32),
        labels=draw.integers(0, 5, 300),
        train_idx=order[:120],
        valid_idx=order[120:201],  # in batches of 40 the last has one: most ranks have none
        test_idx=order[201:],
        edge_weight=draw.random(int(indptr[-1])).astype(np.float32),
    )
