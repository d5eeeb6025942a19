"""Intervals for the mean of a few trials, from Student's t.

With n trials of mean m and standard deviation s, the mean lies within ``m +- t s / sqrt(n)`` at the
chosen confidence. Accuracies under faults have heavy tails, so that a few trials can miss the rare
bad one: where all trials agree, the interval has no width and says nothing about outcomes rarer than
about 3 in n (the "rule of three"). Quantiles and the worst trial are reported beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A mean and where it lies.

    Attributes:
        mean: Of the trials.
        low: The lower end.
        high: The upper end.
    """

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of the interval's width; infinite for a single trial."""
        return (self.high - self.low) / 2


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the interval of the mean of independent trials.

    Args:
        values: At least one; a single one has an infinite interval.
        confidence: In (0, 1).
    """
    array = np.asarray(values, np.float64)
    first = float(array[0])
    mean = first + float((array - first).mean())  # exact where all trials agree
    if len(array) < 2:
        return Interval(mean, -math.inf, math.inf)  # nothing is known of the spread
    half = (
        _t_quantile(0.5 + confidence / 2, len(array) - 1)
        * float((array - first).std(ddof=1))
        / math.sqrt(len(array))
    )
    return Interval(mean, mean - half, mean + half)


@cache
def _t_quantile(probability: float, freedom: int) -> float:
    """Return the quantile of Student's t by bisection on its distribution, to 1e-10."""
    low, high = 0.0, 1.0
    while _t_cdf(high, freedom) < probability:
        high *= 2
    while high - low > 1e-10 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _t_cdf(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def _t_cdf(t: float, freedom: int) -> float:
    """Return P(T <= t) for t >= 0: the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    theta = math.atan2(t, math.sqrt(freedom))
    cosine, sine = math.cos(theta), math.sin(theta)
    odd = freedom % 2
    term, total = (cosine, cosine) if odd else (1.0, 1.0)
    if freedom == 1:
        total = 0.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    area = 2 / math.pi * (theta + sine * total) if odd else sine * total
    return (1 + area) / 2
