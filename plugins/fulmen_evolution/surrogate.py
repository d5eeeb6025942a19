"""A Bayesian linear model of each objective, and draws from what it believes.

    z = Phi w + e,   w ~ N(0, tau^2 I),   e ~ N(0, lambda tau^2 I),   A = Phi' Phi + lambda I
    w | z ~ N(A^-1 Phi' z, lambda tau^2 A^-1)

lambda is the one of a few with the greatest evidence, tau^2 the one that maximises the evidence then. Adding
a row changes A^-1 by a rank-one term, so that both adding and drawing take O(size^2), whatever the number of
rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from fulmen_evolution.features import Sparse, SparseRows

Floats = NDArray[np.float64]

LAMBDAS = (0.08, 0.8, 8.0)
GROWTH = 1.3  # lambda is chosen anew when there are so many times as many rows


class LinearSurrogate:
    """Linear models over the same rows, one for each objective.

    Args:
        size: Entries of a row.
        objectives: How many models.
    """

    def __init__(self, size: int, objectives: int) -> None:
        self.rows = SparseRows(size)
        self.lambdas = [LAMBDAS[1]] * objectives
        self._chosen_at = 0
        self._planned: tuple[int, list[float]] | None = None
        self._inverses: dict[float, Floats] = {}

    def state(self) -> dict[str, Any]:
        """Return when lambda was chosen last, and what it was: rows are the caller's to keep."""
        return {"chosen_at": self._chosen_at, "lambdas": list(self.lambdas)}

    def plan(self, state: Mapping[str, Any]) -> None:
        """Choose as the ``state`` did, at as many rows: what is drawn then is the same to the bit."""
        if state["chosen_at"]:
            self._planned = (int(state["chosen_at"]), [float(value) for value in state["lambdas"]])

    def add(self, row: Sparse) -> None:
        """Take in a row; its targets are given when a draw is asked for."""
        number = self.rows.append(row)
        places, values = self.rows.row(number)
        for inverse in self._inverses.values():
            # Sherman and Morrison (1950).
            change = values @ inverse[places]
            scale = 1.0 + float(values @ change[places])
            # In place: scipy takes columns to be contiguous, and the inverse is symmetric.
            blas.dger(-1.0 / scale, change, change, a=inverse.T, overwrite_a=True)
        if self._planned and self._planned[0] == self.rows.count:
            self._invert(self._planned[1])
            self._planned = None

    def draw(self, targets: Floats, generator: np.random.Generator) -> Floats:
        """Draw weights from the posterior.

        Args:
            targets: Shape (rows, objectives), each column with mean 0 and variance about 1.
            generator: Draws.

        Returns:
            float64, shape (size, objectives).
        """
        if not self._inverses or self.rows.count >= GROWTH * self._chosen_at:
            self._choose(targets)
        count, size = self.rows.count, self.rows.size
        objectives = targets.shape[1]
        noise = generator.standard_normal((count, objectives))
        prior = generator.standard_normal((size, objectives))
        products = self.rows.transposed_times(np.concatenate([targets, noise], axis=1))
        projected, shaken = products[:, :objectives], products[:, objectives:]
        drawn = np.empty((size, objectives))
        for strength, inverse in self._inverses.items():
            mine = [number for number, own in enumerate(self.lambdas) if own == strength]
            b = projected[:, mine]
            # Mean and covariance are the posterior's (Papandreou and Yuille, NIPS 2010). All at once:
            # reading the inverse is what takes the time.
            around = np.sqrt(strength) * shaken[:, mine] + strength * prior[:, mine]
            solved = inverse @ np.concatenate([b, around], axis=1)
            mean, deviation = solved[:, : len(mine)], solved[:, len(mine) :]
            for place, number in enumerate(mine):
                tau = _tau(targets[:, number], float(b[:, place] @ mean[:, place]), strength)
                drawn[:, number] = mean[:, place] + tau * deviation[:, place]
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
        self._invert([LAMBDAS[place] for place in np.argmax(evidences, axis=0).tolist()])

    def _invert(self, lambdas: list[float]) -> None:
        dense = self.rows.dense()
        gram = dense.T @ dense
        self.lambdas = lambdas
        self._inverses = {s: _inverse(gram, s) for s in dict.fromkeys(lambdas)}
        self._chosen_at = self.rows.count

    def _products(self, targets: Floats) -> tuple[Floats, Floats]:
        dense = self.rows.dense()
        return dense.T @ dense, dense.T @ targets


def _inverse(gram: Floats, strength: float) -> Floats:
    return np.asarray(np.linalg.inv(gram + strength * np.eye(len(gram))), dtype=np.float64)


def _tau(targets: Floats, explained: float, strength: float) -> float:
    """Return tau = sqrt(z' (Phi Phi' + lambda I)^-1 z / n)."""
    left = max(float(targets @ targets) - explained, 1e-9)
    return float(np.sqrt(left / (strength * len(targets))))
