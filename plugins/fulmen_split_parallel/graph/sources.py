"""Where a graph may come from other than a folder: something that makes it, always the same."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod

from fulmen_split_parallel.graph.graph import Graph


class GraphSource(ABC):
    """Makes one graph. Two that are equal make equal graphs, in any process."""

    @abstractmethod
    def make(self) -> Graph:
        """Make the graph, anew at each call.

        Raises:
            GraphError: an option is out of range, or what the graph is made from is not there.
        """

    def check(self) -> None:  # noqa: B027 - some have nothing to refuse
        """Refuse options out of range, before any work.

        Not when the source itself is made: jsonargparse would bury the reason among its own attempts.

        Raises:
            GraphError: an option is out of range.
        """

    @abstractmethod
    def identity(self) -> str:
        """Name everything that the graph depends on."""

    def key(self) -> str:
        """16 hexadecimal digits from what the graph depends on: the name of a cached copy."""
        text = f"{type(self).__module__}.{type(self).__qualname__}:{self.identity()}"
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
