"""Edges over time: the knock-out series of held-out blocks, smoothed, with an envelope from phantoms."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class TimeVarying(NamedTuple):
    """Strength over time.

    Attributes:
        strength: float64 (times, targets, sources): how much knowing the source lowers the loss there.
        envelope: (times,), the 95 % quantile of phantoms, NaN in a trial where none was read; None without.
        middles: (times,), rows in the middle of the blocks.
    """

    strength: np.ndarray
    envelope: np.ndarray | None
    middles: np.ndarray


def smoothed(
    blocks: np.ndarray,
    rows: np.ndarray,
    null_blocks: np.ndarray | None = None,
    null_rows: np.ndarray | None = None,
    width: float = 2.0,
) -> TimeVarying:
    """Smooth the series of blocks with a Gaussian kernel, trials apart.

    Args:
        blocks: (blocks, targets, sources) of the encompassing read-out: unlike the contribution it is 0
            on average where an edge that was learnt elsewhere does not hold.
        rows: (blocks, 3): trial, first and last row; in the order of time.
        null_blocks: (other blocks, targets, phantoms), or None.
        null_rows: Of these, as ``rows``. With many variables phantoms are read on fewer windows, in blocks of
            their own: the envelope is interpolated between their middles.
        width: Standard deviation of the kernel, in blocks.
    """
    strength, middles = _kernel(rows, width)(blocks), _middles(rows)
    if null_blocks is None or null_rows is None:
        return TimeVarying(strength, None, middles)
    null = _kernel(null_rows, width)(null_blocks)
    own = np.quantile(null.reshape(len(null), -1), 0.95, axis=1)
    envelope = np.full(len(rows), np.nan)
    for trial in np.unique(null_rows[:, 0]):
        here, there = rows[:, 0] == trial, null_rows[:, 0] == trial
        envelope[here] = np.interp(middles[here], _middles(null_rows[there]), own[there])
    return TimeVarying(strength, envelope, middles)


def _middles(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows[:, 1:].mean(1))


def _kernel(rows: np.ndarray, width: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return what smooths series of such blocks."""
    place = np.arange(len(rows))
    kernel = np.exp(-0.5 * ((place[:, None] - place) / width) ** 2)
    kernel *= rows[:, 0][:, None] == rows[:, 0]
    kernel /= kernel.sum(1, keepdims=True)
    return lambda series: np.tensordot(kernel, series, 1)
