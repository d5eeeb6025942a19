"""Recordings as an npz, the truth inside."""

from __future__ import annotations

from typing import IO

import numpy as np

from fulmen_attention_granger.reading.loose_arrays import TRUTH
from fulmen_attention_granger.recordings import RecordingError, Recordings


def write_npz(file: IO[bytes], recordings: Recordings) -> None:
    """Write what ``npz_file.read_npz`` reads.

    Args:
        file: An open binary file.
        recordings: Their trials are of one length: an array has no other place for them.

    Raises:
        RecordingError: the trials differ in length.
    """
    lengths = sorted({len(trial) for trial in recordings.trials})
    if len(lengths) > 1:
        raise RecordingError(
            f"{recordings.source}: trials of {lengths[0]} to {lengths[-1]} rows do not fit into one array; "
            "expected one length: write a file for each."
        )
    single = len(recordings.trials) == 1
    arrays: dict[str, np.ndarray] = {
        "x": recordings.trials[0] if single else np.stack(recordings.trials),
        "names": np.array(recordings.names, dtype=np.str_),
        "interval": np.array(recordings.interval),
        **({} if recordings.graph is None else {"graph": recordings.graph.astype(np.uint8)}),
        **{f"{TRUTH}{name}": truth for name, truth in recordings.truths.items()},
    }
    np.savez_compressed(file, allow_pickle=False, **arrays)
