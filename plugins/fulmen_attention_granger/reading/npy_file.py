"""A .npy file: one array, without names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fulmen_attention_granger.reading.array_header import DAMAGE, check_header
from fulmen_attention_granger.reading.columns import OneFile
from fulmen_attention_granger.reading.loose_arrays import split_trials
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
