"""A .npy file: one array, without names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fulmen_attention_granger.reading.array_header import DAMAGE, check_header
from fulmen_attention_granger.reading.columns import OneFile
from fulmen_attention_granger.recordings import RecordingError, default_names


def read_npy(path: Path) -> OneFile:
    """Read an array of shape (time, variables) or (trials, time, variables).

    Raises:
        RecordingError: not a .npy file, Python objects, another shape, no numbers.
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            check_header(file, str(path), size)
            file.seek(0)
            array = np.lib.format.read_array(file, allow_pickle=False)
        except DAMAGE as error:
            if isinstance(error, RecordingError):
                raise
            raise RecordingError(
                f"{path}: is not a whole .npy file ({error}); expected numpy.save's format: write it anew."
            ) from error
    trials = split_trials(str(path), array)
    return OneFile(trials, default_names(trials[0].shape[1]))


def split_trials(where: str, array: np.ndarray) -> tuple[np.ndarray, ...]:
    """Turn an array of numbers into trials of float64.

    Raises:
        RecordingError: it has neither two nor three dimensions, none of them 0, or does not hold numbers.
    """
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise RecordingError(
            f"{where}: has shape {array.shape}; expected (time, variables) or (trials, time, variables), "
            "none of them 0."
        )
    if array.dtype.kind not in "biuf":
        raise RecordingError(f"{where}: holds {array.dtype}; expected real numbers: convert it.")
    values = array.astype(np.float64)
    return (values,) if values.ndim == 2 else tuple(values)
