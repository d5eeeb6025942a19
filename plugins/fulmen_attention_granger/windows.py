"""Lag windows over trials: what a forecast of each variable's next value may look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

# z-scores are rounded to this grid, so that another unit of a variable (volts for millivolts) gives
# the very same float32 numbers and with them the very same graph.
_GRID = 2.0**16


@dataclass(frozen=True)
class Windows:
    """All pairs (history, next value) of some trials, none of which straddles two trials.

    Attributes:
        history: float32, (n, sources, channels). The channels of a source are its lags, newest first:
            its last ``lags`` z-scores, 0 (the mean) where a value is missing; where any value is
            missing at all, as many channels follow that hold 1 where the value is there.
        future: float32, (n, targets): the next z-score; 0 where missing.
        known: float32, (n, targets): 1 where the next value is there, else 0.
        trial: int64, (n,): from which trial a window is.
        row: int64, (n,): the row of the next value in its trial.
        lags: How many rows a history reaches back.
    """

    history: Tensor
    future: Tensor
    known: Tensor
    trial: np.ndarray
    row: np.ndarray
    lags: int

    def __len__(self) -> int:
        return len(self.future)

    def to(self, device: torch.device) -> Windows:
        """Return the same windows with their tensors on a device."""
        history, future, known = (part.to(device) for part in (self.history, self.future, self.known))
        return replace(self, history=history, future=future, known=known)

    @property
    def targets(self) -> int:
        """How many variables are forecast: the first so many sources."""
        return self.future.shape[1]

    @property
    def sources(self) -> int:
        """How many series may be looked at; those beyond the targets are phantoms."""
        return self.history.shape[1]


def standardised(trials: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the trials with mean 0 and variance 1 per variable, over all trials; NaN stays NaN.

    Args:
        trials: Each float64 (time, variables).

    The scale is a change of units and the same for every fold: no score depends on it, and a forecast
    cannot read the future from it.
    """
    everything = np.concatenate(list(trials))
    mean, deviation = np.nanmean(everything, 0), np.nanstd(everything, 0)
    return [np.round((trial - mean) / deviation * _GRID) / _GRID for trial in trials]


def canonical_order(trials: Sequence[np.ndarray]) -> np.ndarray:
    """Return an order of the variables that does not depend on the order they came in.

    They are sorted by the skewness of their z-scores. Trained in this order, a permuted data set
    gives the same graph, permuted.
    """
    everything = np.concatenate(list(trials))
    skewness: np.ndarray = np.nanmean(everything**3, 0)
    return np.argsort(skewness, kind="stable")


def windows(
    trials: Sequence[np.ndarray], lags: int, phantoms: Sequence[Sequence[np.ndarray]] = (), skip: int = 0
) -> Windows:
    """Cut trials into windows.

    Args:
        trials: z-scores, each (time, variables), NaN = missing. A trial of at most ``lags`` rows gives
            none.
        lags: Rows of history, at least 1.
        phantoms: Further series as sources, each with the shapes of ``trials``.
        skip: Leave out the first so many windows of each trial (so that designs with fewer lags are
            compared on the same rows).
    """
    histories, futures, numbers, rows = [], [], [], []
    for number, trial in enumerate(trials):
        series = np.concatenate([trial, *(phantom[number] for phantom in phantoms)], 1)
        first = lags + skip
        if len(series) <= first:
            continue
        places = np.arange(first, len(series))
        # (n, lags, sources) -> (n, sources, lags), newest first
        histories.append(
            np.stack([series[places - lag] for lag in range(1, lags + 1)], -1).astype(np.float32)
        )
        futures.append(trial[places].astype(np.float32))
        numbers.append(np.full(len(places), number))
        rows.append(places)
    history, future = np.concatenate(histories), np.concatenate(futures)
    seen, known = ~np.isnan(history), ~np.isnan(future)
    history = np.nan_to_num(history)
    if not seen.all():
        history = np.concatenate([history, seen.astype(np.float32)], -1)
    return Windows(
        torch.from_numpy(np.ascontiguousarray(history)),
        torch.from_numpy(np.nan_to_num(future)),
        torch.from_numpy(known.astype(np.float32)),
        np.concatenate(numbers),
        np.concatenate(rows),
        lags,
    )


@dataclass(frozen=True)
class Fold:
    """One way to keep a stretch of time out of the training.

    Attributes:
        train: int64 indices of windows to train on, ascending.
        held_out: int64 indices of windows to test on, contiguous in time.
    """

    train: np.ndarray
    held_out: np.ndarray


def folds(count: int, number: int, gap: int, share: float | None = None) -> list[Fold]:
    """Keep ``number`` equal stretches of time out of the training, one after the other.

    Args:
        count: Windows, in order of time.
        number: Folds, at least 2.
        gap: So many windows beside the held-out stretch are in neither part, so that no history of
            one reaches into the other.
        share: Of the windows that each fold holds out, at most 1 / ``number``; None: all time is held out
            by one fold or another.
    """
    share = 1 / number if share is None else min(share, 1 / number)
    result = []
    for index in range(number):
        middle, half = (index + 0.5) / number, share / 2
        start, stop = round(count * (middle - half)), round(count * (middle + half))
        train = np.r_[0 : max(0, start - gap), min(count, stop + gap) : count]
        result.append(Fold(train.astype(np.int64), np.arange(start, stop)))
    return result
