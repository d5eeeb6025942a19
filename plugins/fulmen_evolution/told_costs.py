"""The costs of what has values, as the surrogate sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FLOOR = 0.1  # of the logarithm that the surrogate sees: near the best, differences count as they are
MARGIN = 0.05  # how far beyond the best seen the surrogate's ideal lies, so that it can believe in better


@dataclass(frozen=True)
class Scale:
    """Costs in units of the way from the best seen, or a limit beyond it, to the median of the first ones."""

    ideal: Floats
    spread: Floats

    def normal(self, costs: Floats) -> Floats:
        """Return costs on this scale: 0 is the ideal, 1 the median of the first."""
        return (costs - self.ideal) / self.spread

    def equals(self, other: Scale) -> bool:
        """Say whether the other is the same."""
        return np.array_equal(self.ideal, other.ideal) and np.array_equal(self.spread, other.spread)


@dataclass(frozen=True)
class Warp:
    """Logarithms of costs on a scale, with mean 0 and variance about 1.

    Attributes:
        targets: Of all that was told, shape (told, columns).
        mean: Of the logarithms, shape (columns,).
        spread: Their standard deviation, shape (columns,).
    """

    targets: Floats
    mean: Floats
    spread: Floats

    def back(self, products: Floats) -> Floats:
        """Return the costs, on the scale, that such targets stand for."""
        return np.asarray(np.exp(np.clip(products * self.spread + self.mean, -50.0, 50.0)) - FLOOR)


class ToldCosts:
    """Costs in the order of telling.

    Args:
        columns: How many costs an individual has.
        first: The scale comes from so many.
        limits: What is wanted at least of each cost, infinite where there is no limit, shape (columns,).
    """

    def __init__(self, columns: int, first: int, limits: Floats | None = None) -> None:
        self.count = 0
        self._first = first
        self._rows = np.empty((16, columns))
        self._logarithms = np.empty((0, columns))  # of the rows on the scale of `_logged_on`
        self._logged_on: Scale | None = None
        self._begun: list[Floats] = []  # the first ones
        # A limit that nobody has reached yet counts as seen: the surrogate can believe in that, too.
        self._best = np.full(columns, np.inf) if limits is None else limits
        self._median = np.empty(columns)

    def append(self, costs: Floats) -> None:
        """Take in the costs of one."""
        if self.count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._rows[self.count] = costs
        self.count += 1
        self._best = np.minimum(self._best, costs)
        if len(self._begun) < self._first:
            self._begun.append(costs)
            self._median = np.median(np.array(self._begun), axis=0)

    def scale(self) -> Scale:
        """Return the scale, once there is one."""
        spread = self._median - self._best
        spread = np.where(spread > 0, spread, 1.0)
        return Scale(self._best - MARGIN * spread, (1 + MARGIN) * spread)

    def warp(self, scale: Scale) -> Warp:
        """Return what the surrogate learns from."""
        warped = self._on_logarithms(scale)
        mean = warped.mean(0)
        centred = warped - mean
        spread = np.sqrt((centred * centred).mean(0)) + 1e-9
        return Warp(centred / spread, mean, spread)

    def _on_logarithms(self, scale: Scale) -> Floats:
        """Return the logarithm of each row; while the scale stays, of the new ones alone are any made."""
        if self._logged_on is None or not self._logged_on.equals(scale):
            self._logarithms, self._logged_on = self._logarithms[:0], scale
        if len(self._logarithms) < self.count:
            new = scale.normal(self._rows[len(self._logarithms) : self.count])
            self._logarithms = np.concatenate([self._logarithms, np.log(np.maximum(new, 0.0) + FLOOR)])
        return self._logarithms
