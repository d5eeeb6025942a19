"""What a graph is refused with."""

from __future__ import annotations


class GraphError(ValueError):
    """A graph, or an option about one, cannot be used: one line with what, found, expected and remedy."""
