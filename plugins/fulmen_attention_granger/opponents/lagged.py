"""Regression arrays: rows of values and their pasts, which straddle no trial and hold no gap.

With few gaps, rows that touch one are left out. With many, hardly a row would be whole (30 % missing, 20
variables, 3 lags: none in a billion): then a missing value counts as its variable's mean. That weakens every
coefficient, and p values with it are no more than a guide. (Means of products over the rows where both
factors are there were tried too: no better at one lag, no longer positive definite at many.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ENOUGH_WHOLE = 0.8  # of the rows


class Lagged(NamedTuple):
    """Values and their pasts.

    ``past`` is float64, (rows, lags, variables), the last step first; ``now`` (rows, variables); ``note``
    says what became of gaps where they were many.
    """

    past: np.ndarray
    now: np.ndarray
    note: str = ""


def lagged(trials: Sequence[np.ndarray], lags: int, first: int | None = None) -> Lagged:
    """Stack the rows of all trials that have a whole past.

    A row with a missing value anywhere is left out, if as many as ``ENOUGH_WHOLE`` stay; else it is filled.

    Args:
        trials: Standardised, each (time, variables), NaN where missing.
        lags: How many steps of past, >= 1.
        first: The first step of a trial that becomes a row, >= lags; None: ``lags``. Models of different
            lags are compared on the same rows by giving each the largest.
    """
    first = lags if first is None else first
    now = [trial[first:] for trial in trials]
    past = [
        np.stack([trial[first - lag : len(trial) - lag] for lag in range(1, lags + 1)], axis=1)
        for trial in trials
        if len(trial) > first
    ]
    variables = trials[0].shape[1]
    stacked = Lagged(np.concatenate(past) if past else np.empty((0, lags, variables)), np.concatenate(now))
    whole = np.isfinite(stacked.past).all(axis=(1, 2)) & np.isfinite(stacked.now).all(axis=1)
    if whole.all():
        return stacked
    if whole.mean() < ENOUGH_WHOLE:
        return Lagged(np.nan_to_num(stacked.past), np.nan_to_num(stacked.now), "gaps filled with the mean")
    return Lagged(stacked.past[whole], stacked.now[whole])


def standardised(trials: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the trials with mean 0 and standard deviation 1 over all of them, variable by variable."""
    together = np.concatenate(trials)
    mean, spread = np.nanmean(together, axis=0), np.nanstd(together, axis=0)
    return [(trial - mean) / spread for trial in trials]
