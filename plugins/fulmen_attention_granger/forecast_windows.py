"""Windows of a recording for a forecaster: some past, what came next, and neither across a border.

Source: 60, 20 and 20 percent in the order of time as in arXiv:2311.06928, whose windows, unlike these,
straddle the borders between the parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fulmen_attention_granger.recordings import RecordingError, Recordings

SPLITS = ("train", "val", "test")


class Window(NamedTuple):
    """One window, or a batch of them with a further dimension in front.

    Attributes:
        context: float32, (context, variables), in units of the training rows' standard deviation; 0 where
            a value is missing.
        target: float32, (horizon, variables): the rows that follow; 0 where a value is missing.
        context_seen: bool, shape of ``context``, False where a value is missing.
        target_seen: bool, shape of ``target``, likewise.
    """

    context: Tensor
    target: Tensor
    context_seen: Tensor
    target_seen: Tensor


class Scale(NamedTuple):
    """What a value is scaled by: (value - mean) / spread. float64, shape (variables,) each."""

    mean: np.ndarray
    spread: np.ndarray


def split_rows(length: int, val_fraction: float, test_fraction: float) -> dict[str, slice]:
    """Cut the rows of a trial into training, validation and test, in the order of time."""
    test = round(length * (1 - test_fraction))
    val = round(length * (1 - test_fraction - val_fraction))
    return {"train": slice(0, val), "val": slice(val, test), "test": slice(test, length)}


def training_scale(recordings: Recordings, val_fraction: float, test_fraction: float) -> Scale:
    """Return mean and standard deviation of the training rows of all trials.

    Raises:
        RecordingError: a variable has fewer than two different values there.
    """
    rows = np.concatenate(
        [t[split_rows(len(t), val_fraction, test_fraction)["train"]] for t in recordings.trials]
    )
    for index, name in enumerate(recordings.names):
        seen = rows[:, index][np.isfinite(rows[:, index])]
        if len(seen) < 2 or seen.min() == seen.max():
            raise RecordingError(
                f"{recordings.source}: {name!r} does not change in the {len(rows)} training rows; expected "
                "a variable that does: take it out, or keep less for validation and test."
            )
    return Scale(np.nanmean(rows, axis=0), np.nanstd(rows, axis=0))


class WindowDataset(Dataset[Window]):
    """All windows within the segments given, one row apart; item i is a ``Window``.

    Args:
        segments: float64, (rows, variables) each, NaN where missing; a window lies within one of them.
        scale: Of the values.
        context: Rows of past, >= 1.
        horizon: Rows to forecast, >= 1.
    """

    def __init__(self, segments: Sequence[np.ndarray], scale: Scale, context: int, horizon: int) -> None:
        values = (np.concatenate(segments) - scale.mean) / scale.spread
        seen = np.isfinite(values)
        self.values = torch.from_numpy(np.where(seen, values, 0.0).astype(np.float32))
        self.seen = torch.from_numpy(seen)
        self.context, self.length = context, context + horizon
        ends = np.cumsum([len(segment) for segment in segments])
        starts = [
            np.arange(end - len(segment), end - self.length + 1)
            for segment, end in zip(segments, ends, strict=True)
        ]
        self.starts = torch.from_numpy(np.concatenate(starts).astype(np.int64))

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> Window:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Window]:
        # torch's loader asks for a whole batch here: one gathering instead of many.
        rows = self.starts[torch.as_tensor(indices)][:, None] + torch.arange(self.length)
        values, seen, cut = self.values[rows], self.seen[rows], self.context
        parts = (values[:, :cut], values[:, cut:], seen[:, :cut], seen[:, cut:])
        return [Window(*item) for item in zip(*parts, strict=True)]


def window_datasets(
    recordings: Recordings, context: int, horizon: int, val_fraction: float, test_fraction: float
) -> dict[str, WindowDataset]:
    """Return the windows of ``train``, ``val`` and ``test``; each trial is cut into all three.

    Raises:
        RecordingError: a part is too short for a single window in every trial; or ``training_scale``.
    """
    scale = training_scale(recordings, val_fraction, test_fraction)
    datasets = {}
    for split in SPLITS:
        segments = [t[split_rows(len(t), val_fraction, test_fraction)[split]] for t in recordings.trials]
        longest = max(len(segment) for segment in segments)
        if longest < context + horizon:
            raise RecordingError(
                f"{recordings.source}: the {split} part has at most {longest} rows in one trial; expected "
                f"{context + horizon} or more, for a context of {context} and a horizon of {horizon}: record "
                "longer, or ask for less context."
            )
        datasets[split] = WindowDataset(segments, scale, context, horizon)
    return datasets
