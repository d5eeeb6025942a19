"""Where a recording shows spikes, and whether it shows what happens between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

JUMP = 5.0  # an upward jump is a spike if it is so many robust standard deviations of all jumps
CEILING = 0.002  # share of the samples at the very maximum that tells peaks that were clipped
NEAR_PEAK = 0.5  # a potential above this part of the way from its median to its peak is about to spike


class Events(NamedTuple):
    """What was found in one trial.

    Attributes:
        fired: bool, (time, variables): a spike.
        quiet: bool, (time, variables): no spike, and none about to come: the potential drifts.
    """

    fired: np.ndarray
    quiet: np.ndarray


def peaks_are_clipped(trials: Sequence[np.ndarray]) -> np.ndarray:
    """Say which variables are membrane potentials: bool, (variables,). Many samples are at the maximum."""
    together = np.concatenate(trials)
    top = np.nanmax(together, axis=0)
    shares: np.ndarray = (together >= top).mean(axis=0) >= CEILING
    return shares


def detect(trial: np.ndarray, clipped: np.ndarray) -> Events:
    """Find spikes, in whatever form the recording shows them.

    Where peaks are clipped a spike is a sample at the maximum. Elsewhere, as with calcium dyes, it is the
    first step of an upward jump far outside of the usual ones.

    Args:
        trial: float64, (time, variables), NaN where missing.
        clipped: Of ``peaks_are_clipped``.
    """
    top, middle = np.nanmax(trial, axis=0), np.nanmedian(trial, axis=0)
    jumps = np.diff(trial, axis=0, prepend=trial[:1])
    usual = np.nanmedian(jumps, axis=0)
    spread = 1.4826 * np.nanmedian(np.abs(jumps - usual), axis=0) + 1e-12
    rises = jumps - usual > JUMP * spread
    rises[1:] &= ~rises[:-1]
    fired = np.where(clipped, trial >= top, rises)
    return Events(fired, ~fired & (trial < middle + NEAR_PEAK * (top - middle)))
