"""A Bayesian linear model of each objective, and draws from what it believes.

    z = Phi w + e,   w ~ N(0, tau^2 I),   e ~ N(0, lambda tau^2 I),   A = Phi' Phi + lambda I
    w | z ~ N(A^-1 Phi' z, lambda tau^2 A^-1)

lambda is the one of a few with the greatest evidence, tau^2 the one that maximises the evidence then. Adding
a row changes A^-1 by a rank-one term, so that both adding and drawing take O(size^2), whatever the number of
rows. How draws deviate from the mean depends on the rows alone, not on what they gave: an ensemble of
deviations is kept and follows each new row exactly (Lu and Van Roy, "Ensemble sampling", NIPS 2017).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from fulmen_evolution.features import Sparse, SparseRows
from fulmen_evolution.randomness import keyed

Floats = NDArray[np.float64]

LAMBDAS = (0.08, 0.8, 8.0)
GROWTH = 1.3  # lambda is chosen, and the ensemble drawn, anew when there are so many times as many rows
ENSEMBLE = 64  # deviations of each objective


class LinearSurrogate:
    """Linear models over the same rows, one for each objective.

    Args:
        size: Entries of a row.
        objectives: How many models.
        seed: Of the ensemble.
        name: Whose ensemble: others of the same seed are others.
    """

    def __init__(self, size: int, objectives: int, seed: int = 0, name: str = "ensemble") -> None:
        self.rows = SparseRows(size)
        self.lambdas = [LAMBDAS[1]] * objectives
        self._seed, self._name = seed, name
        self._chosen_at = 0
        self._planned: tuple[int, list[float]] | None = None
        self._beliefs: list[_Belief] = []

    def state(self) -> dict[str, Any]:
        """Return when lambda was chosen last, and what it was: rows are the caller's to keep."""
        return {"chosen_at": self._chosen_at, "lambdas": list(self.lambdas)}

    def plan(self, state: Mapping[str, Any]) -> None:
        """Choose as the ``state`` did, at as many rows: what is drawn then is the same to the bit."""
        if state["chosen_at"]:
            self._planned = (int(state["chosen_at"]), [float(value) for value in state["lambdas"]])

    def add(self, row: Sparse) -> None:
        """Take in a row; its targets are given when a draw is asked for."""
        places, values = self.rows.row(self.rows.append(row))
        for belief in self._beliefs:
            belief.add(places, values)
        if self._planned and self._planned[0] == self.rows.count:
            self._believe(self._planned[1])
            self._planned = None

    def draw(self, targets: Floats, samples: int, generator: np.random.Generator) -> Floats:
        """Draw weights from the posterior.

        Args:
            targets: Shape (rows, objectives), each column with mean 0 and variance about 1.
            samples: How many draws, of the ensemble's.
            generator: Chooses them.

        Returns:
            float64, shape (size, samples, objectives).
        """
        if not self._beliefs or self.rows.count >= GROWTH * self._chosen_at:
            self._choose(targets)
        chosen = (int(generator.integers(ENSEMBLE)) + np.arange(samples)) % ENSEMBLE
        projected = self.rows.transposed_times(targets)
        drawn = np.empty((self.rows.size, samples, targets.shape[1]))
        for belief in self._beliefs:
            mine = projected[:, belief.objectives]
            means = belief.inverse @ mine
            for place, number in enumerate(belief.objectives):
                mean = means[:, place]
                tau = _tau(targets[:, number], float(mine[:, place] @ mean), belief.strength)
                drawn[:, :, number] = mean[:, None] + tau * belief.deviations[:, place, chosen]
        return drawn

    def _choose(self, targets: Floats) -> None:
        gram, projected = self._products(targets)
        count, size = self.rows.count, self.rows.size
        evidences = []
        for strength in LAMBDAS:
            factor = np.linalg.cholesky(gram + strength * np.eye(size))
            solved = np.linalg.solve(factor, projected)
            # |Phi Phi' + lambda I| of n rows, by the determinant of A.
            determinant = 2 * np.log(np.diag(factor)).sum() + (count - size) * np.log(strength)
            taus = [
                _tau(column, float(half @ half), strength)
                for column, half in zip(targets.T, solved.T, strict=True)
            ]
            evidences.append([-count * np.log(tau) - determinant / 2 for tau in taus])
        self._believe([LAMBDAS[place] for place in np.argmax(evidences, axis=0).tolist()])

    def _believe(self, lambdas: list[float]) -> None:
        self.lambdas, self._chosen_at = lambdas, self.rows.count
        generator = keyed(self._seed, self._name, self.rows.count)
        self._beliefs = [
            _Belief(self.rows, strength, [n for n, own in enumerate(lambdas) if own == strength], generator)
            for strength in dict.fromkeys(lambdas)
        ]

    def _products(self, targets: Floats) -> tuple[Floats, Floats]:
        dense = self.rows.dense()
        return dense.T @ dense, dense.T @ targets


class _Belief:
    """What objectives of one lambda have in common: A^-1, and an ensemble of deviations from their means.

    Attributes:
        deviations: Of weights, draws from N(0, lambda A^-1): tau = 1. Shape (size, objectives, ENSEMBLE).
    """

    def __init__(
        self, rows: SparseRows, strength: float, objectives: list[int], generator: np.random.Generator
    ) -> None:
        self.strength, self.objectives = strength, objectives
        self._generator = generator
        dense = rows.dense()
        gram = dense.T @ dense + strength * np.eye(rows.size)
        self.inverse: Floats = np.asarray(np.linalg.inv(gram), dtype=np.float64)
        # Of noise on the targets and of the prior (Papandreou and Yuille, NIPS 2010).
        members = len(objectives) * ENSEMBLE
        shaken = rows.transposed_times(generator.standard_normal((rows.count, members)))
        prior = generator.standard_normal((rows.size, members))
        around = np.sqrt(strength) * shaken + strength * prior
        self.deviations: Floats = (self.inverse @ around).reshape(rows.size, len(objectives), ENSEMBLE)

    def add(self, places: NDArray[np.int64], values: Floats) -> None:
        """Take in the non-zero entries of a row."""
        # Sherman and Morrison (1950).
        change = values @ self.inverse[places]
        scale = 1.0 + float(values @ change[places])
        # In place: scipy takes columns to be contiguous, and the inverse is symmetric.
        blas.dger(-1.0 / scale, change, change, a=self.inverse.T, overwrite_a=True)
        flat = self.deviations.reshape(len(self.deviations), -1)
        noise = np.sqrt(self.strength) * self._generator.standard_normal(flat.shape[1])
        flat += np.outer(change / scale, noise - values @ flat[places])


def _tau(targets: Floats, explained: float, strength: float) -> float:
    """Return tau = sqrt(z' (Phi Phi' + lambda I)^-1 z / n)."""
    left = max(float(targets @ targets) - explained, 1e-9)
    return float(np.sqrt(left / (strength * len(targets))))
