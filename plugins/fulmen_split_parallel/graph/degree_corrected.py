"""Degree-corrected stochastic block model: communities, and a few vertices that everybody knows.

Source: Karrer and Newman, "Stochastic blockmodels and community structure in networks", Phys. Rev. E 83,
    2011.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.graph.errors import GraphError
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.graph.sources import GraphSource
from fulmen_split_parallel.graph.splits import random_splits
from fulmen_split_parallel.graph.topology import symmetric_simple

_Place = NDArray[np.float64] | float


@dataclass(frozen=True)
class DegreeCorrectedSBM(GraphSource):
    """Communities with Pareto-distributed degrees; features are noise around a direction of each class.

    Edges go both ways, each once, without self-loops.

    Args:
        num_vertices: V, 2 or more.
        edges_per_vertex: Draws for each vertex; with both directions and repetitions gone, somewhat less than
            twice as many in-edges remain.
        communities: How many. A vertex's class is its community modulo `num_classes`.
        mixing: The share of edges that end anywhere instead of in their own community.
        tail: The exponent of the Pareto distribution of degrees, above 1; smaller is more unequal.
        num_features: F.
        num_classes: How many.
        signal: How far a class's centre is from the origin, in standard deviations of the noise.
        train_share: Of the vertices to train on; as many again, at most, are for validation, and for testing.
        seed_communities: Training vertices come from so many communities alone, as where labels are costly;
            None: from all.
        seed: Of everything drawn, 0 or more.
    """

    num_vertices: int = 10_000
    edges_per_vertex: float = 10.0
    communities: int = 100
    mixing: float = 0.15
    tail: float = 1.5
    num_features: int = 128
    num_classes: int = 47
    signal: float = 2.0
    train_share: float = 0.1
    seed_communities: int | None = None
    seed: int = 0

    def check(self) -> None:
        """See `GraphSource`."""
        expected = {
            "num_vertices": self.num_vertices >= 2,
            "edges_per_vertex": self.edges_per_vertex > 0,
            "communities": 1 <= self.communities <= self.num_vertices,
            "mixing": 0 <= self.mixing <= 1,
            "tail": self.tail > 1,
            "num_features": self.num_features >= 1,
            "num_classes": self.num_classes >= 1,
            "train_share": 0 < self.train_share <= 1,
            "seed_communities": self.seed_communities is None
            or 1 <= self.seed_communities <= self.communities,
            "seed": self.seed >= 0,
        }
        for name, fits in expected.items():
            if not fits:
                raise GraphError(
                    f"DegreeCorrectedSBM: {name} is {getattr(self, name)}; expected what its description says"
                )

    def identity(self) -> str:
        """See `GraphSource`."""
        return repr(self)

    def make(self) -> Graph:
        """See `GraphSource`."""
        self.check()
        random = np.random.default_rng(self.seed)
        community = random.integers(0, self.communities, self.num_vertices)
        one, other = self._edges(community, random)
        indptr, indices = symmetric_simple(one, other, self.num_vertices)
        labels = community % self.num_classes
        centres = random.standard_normal((self.num_classes, self.num_features), np.float32)
        centres *= np.float32(self.signal / np.sqrt(self.num_features))  # of length `signal`, about
        features = random.standard_normal((self.num_vertices, self.num_features), np.float32)
        features += centres[labels]
        allowed = None if self.seed_communities is None else community < self.seed_communities
        splits = random_splits(self.num_vertices, self.train_share, random, allowed)
        return Graph(indptr, indices, features, labels.astype(np.int64), *splits)

    def _edges(
        self, community: NDArray[np.int64], random: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Both ends of each draw: int64 (draws,), twice. An end is drawn in proportion to its propensity."""
        draws = int(self.num_vertices * self.edges_per_vertex)
        propensity = random.pareto(self.tail, self.num_vertices) + 1
        order = np.argsort(community, kind="stable")  # each community is a stretch of the line
        line = np.concatenate([[0.0], np.cumsum(propensity[order])])
        border = line[np.searchsorted(community[order], np.arange(self.communities + 1))]

        def on_line(low: _Place, high: _Place) -> NDArray[np.int64]:
            point = low + random.random(draws) * (high - low)
            place = np.searchsorted(line, point, "right") - 1
            return order[np.minimum(place, self.num_vertices - 1)]

        one = on_line(0.0, line[-1])
        anywhere = random.random(draws) < self.mixing
        low = np.where(anywhere, 0.0, border[community[one]])
        high = np.where(anywhere, line[-1], border[community[one] + 1])
        return one, on_line(low, high)
