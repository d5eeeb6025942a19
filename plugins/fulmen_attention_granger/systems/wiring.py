"""Who is wired to whom: random graphs, and what a hidden part of a network makes of them."""

from __future__ import annotations

import numpy as np

from fulmen_attention_granger.systems.streams import stream


def random_graph(count: int, density: float, seed: int, *what: str | int) -> np.ndarray:
    """Draw each of the count * (count - 1) possible edges with the same probability.

    Returns:
        bool, shape (targets, sources), diagonal False.
    """
    graph: np.ndarray = stream(seed, "wiring", *what).random((count, count)) < density
    np.fill_diagonal(graph, False)
    return graph


def share_a_parent(graph: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Say which pairs of seen variables are driven by the same hidden one.

    Args:
        graph: bool, shape (targets, sources).
        hidden: bool, shape (variables,).

    Returns:
        bool, shape (seen, seen), symmetric, diagonal False.
    """
    parents = graph[~hidden][:, hidden].astype(np.int64)
    shared: np.ndarray = parents @ parents.T > 0
    np.fill_diagonal(shared, False)
    return shared
