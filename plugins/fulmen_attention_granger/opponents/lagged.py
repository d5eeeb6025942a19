"""Regression arrays: rows of values and their pasts, which straddle no trial and hold no gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Lagged(NamedTuple):
    """Values and their pasts.

    ``past`` is float64, (rows, lags, variables), the last step first; ``now`` (rows, variables).
    """

    past: np.ndarray
    now: np.ndarray


def lagged(trials: Sequence[np.ndarray], lags: int, first: int | None = None) -> Lagged:
    """Stack the rows of all trials that have a whole past; a row with a missing value anywhere is left out.

    Args:
        trials: Each (time, variables), NaN where missing.
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
    return stacked if whole.all() else Lagged(stacked.past[whole], stacked.now[whole])


def standardised(trials: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the trials with mean 0 and standard deviation 1 over all of them, variable by variable."""
    together = np.concatenate(trials)
    mean, spread = np.nanmean(together, axis=0), np.nanstd(together, axis=0)
    return [(trial - mean) / spread for trial in trials]
