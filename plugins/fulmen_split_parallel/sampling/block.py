"""One layer of a mini-batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Block:
    """Sampled in-edges of D destinations, from S sources, among which the destinations come first.

    Attributes:
        sources: int64 (S,), vertices, each once. ``sources[:num_destinations]`` are the destinations, in
            order: convolutions that add self-loops or a root weight count on it.
        num_destinations: D.
        indptr: int64 (D + 1,). The in-edges of destination d are ``indptr[d]`` to ``indptr[d + 1] - 1``.
        indices: int64 (E,), the row in `sources` of each edge's source.
        edge_ids: int64 (E,), the place of each edge in the graph's ``indices``.
    """

    sources: NDArray[np.int64]
    num_destinations: int
    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    edge_ids: NDArray[np.int64]

    @property
    def destinations(self) -> NDArray[np.int64]:
        """int64 (D,), the vertices whose in-edges these are."""
        return self.sources[: self.num_destinations]

    @property
    def num_edges(self) -> int:
        """E."""
        return len(self.indices)

    def edge_index(self) -> NDArray[Any]:
        """int64 (2, E): rows of sources, then rows of destinations, as PyG's convolutions take them."""
        return np.stack([self.indices, np.repeat(np.arange(self.num_destinations), np.diff(self.indptr))])
