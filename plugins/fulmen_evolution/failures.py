"""Who fails, learned from those that did and those that did not.

What is known of a failure is that it failed: neither that it would have been slow, nor how accurate it might
have become. Objectives are learned from those that have values; failing is a constraint besides, learned from
all (Gelbart, Snoek and Adams, "Bayesian optimization with unknown constraints", UAI 2014).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from fulmen_evolution.features import Sparse
from fulmen_evolution.surrogate import Floats, LinearSurrogate

LIMIT = 0.5  # who is more likely to fail than not is not wanted


class Failures:
    """A linear model of failing: 0 for those that have values, 1 for those that failed.

    Args:
        size: Entries of a row.
        seed: Of the surrogate's ensemble.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._model = LinearSurrogate(size, 1, seed, "failures")
        self._failed = bytearray()  # 0 or 1 of each, in the order of telling

    @property
    def seen(self) -> bool:
        """Whether there was one."""
        return 1 in self._failed

    def add(self, row: Sparse, failed: bool) -> None:
        """Take in the features of one, and whether it failed."""
        self._model.add(row)
        self._failed.append(failed)

    def draw(self, samples: int, generator: np.random.Generator) -> Floats:
        """Draw weights, shape (size, samples, 1), whose products `chances` reads; not before one was seen."""
        targets = np.frombuffer(self._failed, dtype=np.uint8).astype(np.float64)[:, None]
        share, spread = self._moments
        return self._model.draw((targets - share) / spread, samples, generator)

    def chances(self, products: Floats) -> Floats:
        """Return how likely each is to fail, of its features' products with drawn weights: 0 to 1, about."""
        share, spread = self._moments
        return np.asarray(share + spread * products)

    @property
    def _moments(self) -> tuple[float, float]:
        """The mean of the targets, and their standard deviation."""
        share = self._failed.count(1) / len(self._failed)
        return share, math.sqrt(share * (1 - share)) + 1e-9

    def state(self) -> dict[str, Any]:
        """As of `LinearSurrogate`."""
        return self._model.state()

    def plan(self, state: Mapping[str, Any]) -> None:
        """As of `LinearSurrogate`."""
        self._model.plan(state)
