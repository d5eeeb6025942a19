"""R-MAT: power-law graphs without communities, the hard case for a partitioner.

Source: Chakrabarti, Zhan and Faloutsos, "R-MAT: a recursive model for graph mining", SDM 2004.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fulmen_split_parallel.graph.errors import GraphError
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.graph.sources import GraphSource
from fulmen_split_parallel.graph.splits import random_splits
from fulmen_split_parallel.graph.topology import symmetric_simple


@dataclass(frozen=True)
class RecursiveMatrix(GraphSource):
    """An R-MAT graph: features are noise, a label depends on the mean of the neighbours' features.

    Edges go both ways, each once, without self-loops; numbers of vertices are shuffled.

    Args:
        scale: The graph has 2^scale vertices.
        edges_per_vertex: Draws for each vertex; with both directions and repetitions gone, somewhat less than
            twice as many in-edges remain.
        quadrants: The probabilities of three quadrants (from low half to low, low to high, high to low); the
            fourth has the rest.
        num_features: F.
        num_classes: How many.
        train_share: Of the vertices to train on; as many again, at most, are for validation, and for testing.
        seed: Of everything drawn, 0 or more.
    """

    scale: int = 14
    edges_per_vertex: float = 8.5
    quadrants: tuple[float, float, float] = (0.45, 0.2, 0.2)
    num_features: int = 128
    num_classes: int = 47
    train_share: float = 0.1
    seed: int = 0

    def check(self) -> None:
        """See `GraphSource`."""
        expected = {
            "scale": 1 <= self.scale <= 40,
            "edges_per_vertex": self.edges_per_vertex > 0,
            "quadrants": min(self.quadrants) >= 0 and sum(self.quadrants) <= 1,
            "num_features": self.num_features >= 1,
            "num_classes": self.num_classes >= 1,
            "train_share": 0 < self.train_share <= 1,
            "seed": self.seed >= 0,
        }
        for name, fits in expected.items():
            if not fits:
                raise GraphError(
                    f"RecursiveMatrix: {name} is {getattr(self, name)}; expected what its description says"
                )

    def identity(self) -> str:
        """See `GraphSource`."""
        return repr(self)

    def make(self) -> Graph:
        """See `GraphSource`."""
        self.check()
        random = np.random.default_rng(self.seed)
        vertices = 1 << self.scale
        one, other = self._edges(random)
        names = random.permutation(vertices)
        indptr, indices = symmetric_simple(names[one], names[other], vertices)
        features = random.standard_normal((vertices, self.num_features), np.float32)
        projection = random.standard_normal((self.num_features, self.num_classes), np.float32)
        ones = np.ones(len(indices), np.float32)
        sums = sparse.csr_matrix((ones, indices, indptr), (vertices, vertices)) @ (features @ projection)
        labels = np.argmax(sums, axis=1).astype(np.int64)  # of the sum as of the mean
        return Graph(indptr, indices, features, labels, *random_splits(vertices, self.train_share, random))

    def _edges(self, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Both ends of each draw: one more bit of each at each level of the matrix."""
        draws = int((1 << self.scale) * self.edges_per_vertex)
        low_low, low_high, high_low = self.quadrants
        one, other = np.zeros(draws, np.int64), np.zeros(draws, np.int64)
        for _ in range(self.scale):
            point = random.random(draws)
            high = point >= low_low + low_high
            right = (point >= low_low) & ~high | (point >= low_low + low_high + high_low)
            one, other = 2 * one + high, 2 * other + right
        return one, other
