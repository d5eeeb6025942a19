"""Data frames as trials: their columns have names, their rows perhaps dates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fulmen_attention_granger.reading.times import equal_step
from fulmen_attention_granger.recordings import RecordingError


def frames_of(x: Any) -> list[pd.DataFrame]:
    """Return a data frame, or several that are trials, as a list; an empty one if these are none."""
    frames = [x] if isinstance(x, pd.DataFrame) else list(x) if isinstance(x, list | tuple) else []
    return frames if all(isinstance(frame, pd.DataFrame) for frame in frames) else []


def from_frames(where: str, frames: list[pd.DataFrame]) -> tuple[list[str], list[np.ndarray], float | None]:
    """Return names, trials as float64 (time, variables), and the interval in seconds if rows have dates.

    Args:
        where: They come from, for messages.
        frames: At least one.

    Raises:
        RecordingError: frames differ in columns or interval; a column is not of numbers; dates do not rise in
            equal steps.
    """
    names = [str(name) for name in frames[0].columns]
    trials, steps = [], []
    for number, frame in enumerate(frames, start=1):
        told = where if len(frames) == 1 else f"{where}: trial {number}"
        if (mine := [str(name) for name in frame.columns]) != names:
            raise RecordingError(
                f"{told}: has the columns {', '.join(mine)}, trial 1 has {', '.join(names)}; expected the "
                "same names in the same order: reorder or rename them."
            )
        columns = [_numbers(f"{told}: column {name!r}", frame.iloc[:, at]) for at, name in enumerate(names)]
        trials.append(np.stack(columns, axis=1) if columns else np.empty((len(frame), 0)))
        if isinstance(frame.index, pd.DatetimeIndex):
            without = "call reset_index(drop=True)"
            steps.append(equal_step(f"{told}: index", _dates(frame.index), without))
    if steps and not np.allclose(steps, steps[0], rtol=0.01):
        raise RecordingError(f"{where}: trials have intervals {steps}; expected one: resample.")
    return names, trials, steps[0] if steps else None


def _dates(index: pd.DatetimeIndex) -> np.ndarray:
    naive = index if index.tz is None else index.tz_convert("UTC").tz_localize(None)
    return np.asarray(naive.to_numpy())


def _numbers(where: str, column: pd.Series[Any]) -> np.ndarray:
    if not (pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype)):
        raise RecordingError(f"{where}: holds {column.dtype}; expected numbers: convert it, or take it out.")
    if pd.api.types.is_complex_dtype(column.dtype):
        raise RecordingError(f"{where}: holds {column.dtype}; expected real numbers: convert it.")
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
