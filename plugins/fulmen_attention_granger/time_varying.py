"""Edges over time: the knock-out series of held-out blocks, smoothed, with an envelope from phantoms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class TimeVarying(NamedTuple):
    """Strength over time.

    Attributes:
        strength: float64 (times, targets, sources): how much knowing the source lowers the loss there.
        envelope: (times,), the 95 % quantile of phantoms; None without.
        middles: (times,), rows in the middle of the blocks.
    """

    strength: np.ndarray
    envelope: np.ndarray | None
    middles: np.ndarray


def smoothed(
    blocks: np.ndarray, rows: np.ndarray, null_blocks: np.ndarray | None, width: float = 2.0
) -> TimeVarying:
    """Smooth the series of blocks with a Gaussian kernel, trials apart.

    Args:
        blocks: (blocks, targets, sources) of the encompassing read-out: unlike the contribution it is 0
            on average where an edge that was learnt elsewhere does not hold.
        rows: (blocks, 3): trial, first and last row; in the order of time.
        null_blocks: (blocks, targets, phantoms) on the same blocks, or None.
        width: Standard deviation of the kernel, in blocks.
    """
    place = np.arange(len(blocks))
    kernel = np.exp(-0.5 * ((place[:, None] - place) / width) ** 2)
    kernel *= rows[:, 0][:, None] == rows[:, 0]
    kernel /= kernel.sum(1, keepdims=True)
    strength = np.tensordot(kernel, blocks, 1)
    envelope = None
    if null_blocks is not None and len(null_blocks) == len(blocks):
        null = np.tensordot(kernel, null_blocks, 1)
        envelope = np.quantile(null.reshape(len(null), -1), 0.95, axis=1)
    return TimeVarying(strength, envelope, rows[:, 1:].mean(1))
