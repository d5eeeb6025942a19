"""Where a recording shows spikes, and whether it shows what happens between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

JUMP = 5.0  # an upward jump is a spike if it is so many robust standard deviations of all jumps
CEILING = 0.002  # share of the samples at the very maximum that tells peaks that were clipped
FEWEST_AT_CEILING = 3  # every short series has one sample at its maximum


def peaks_are_clipped(trials: Sequence[np.ndarray]) -> np.ndarray:
    """Say which variables are membrane potentials: bool, (variables,). Many samples are at the maximum."""
    together = np.concatenate(trials)
    at_top = (together >= np.nanmax(together, axis=0)).sum(axis=0)
    clipped: np.ndarray = at_top >= max(FEWEST_AT_CEILING, CEILING * len(together))
    return clipped


def detect(trial: np.ndarray, clipped: np.ndarray) -> np.ndarray:
    """Find spikes, in whatever form the recording shows them.

    Where peaks are clipped a spike is a sample at the maximum. Elsewhere, as with calcium dyes, it is the
    first step of an upward jump far outside of the usual ones.

    Args:
        trial: float64, (time, variables), NaN where missing.
        clipped: Of ``peaks_are_clipped``.

    Returns:
        bool, (time, variables).
    """
    jumps = np.diff(trial, axis=0, prepend=trial[:1])
    usual = np.nanmedian(jumps, axis=0)
    spread = 1.4826 * np.nanmedian(np.abs(jumps - usual), axis=0) + 1e-12
    rises = jumps - usual > JUMP * spread
    rises[1:] &= ~rises[:-1]
    fired: np.ndarray = np.where(clipped, trial >= np.nanmax(trial, axis=0), rises)
    return fired
