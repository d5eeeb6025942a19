"""The analysis as one call on arrays, for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import fulmen
from fulmen.errors import DataError, UserError
from fulmen_attention_granger.analyzer import OWNER, AttentionGranger
from fulmen_attention_granger.reading.checks import check
from fulmen_attention_granger.reading.data_frames import frames_of, from_frames
from fulmen_attention_granger.reading.loose_arrays import one_file, split_trials
from fulmen_attention_granger.recordings import RecordingError, Recordings

WHERE = "arrays"  # in messages, where a file would stand


def granger_graph(
    x: Any,
    names: Sequence[str] | None = None,
    graph: np.ndarray | Sequence[Sequence[int]] | None = None,
    seed: int = 0,
    device: str = "cpu",
    interval: float | None = None,
    **options: Any,
) -> fulmen.Report:
    """Return the report of arrays, as ``fulmen analyze`` would make it.

    Args:
        x: Real numbers, (time, variables) or (trials, time, variables), or a sequence of (time, variables);
            NaN = missing. A pandas DataFrame gives its columns' names, and if it is indexed by dates the
            interval in seconds; their steps must be equal, whole months, or business days.
        names: Of the variables; None: those of a DataFrame, else ``x0``, ``x1``, ...
        graph: The truth where it is known, 0 or 1, (targets, sources).
        seed: Of everything.
        device: ``cpu`` or ``cuda``.
        interval: Time between two rows, for the axes of figures; None: that of an index of dates, else 1.
        options: Of `AttentionGranger`.

    Raises:
        UserError: as `AttentionGranger`; the device is not there.
    """
    try:
        recordings = _recordings_of(x, names, graph, interval)
        check(recordings)
    except RecordingError as error:
        raise DataError(str(error)) from error
    return AttentionGranger(**options).of(recordings, seed, _device(device))


def _recordings_of(x: Any, names: Sequence[str] | None, graph: Any, interval: float | None) -> Recordings:
    if frames := frames_of(x):
        own, x, step = from_frames(WHERE, frames)
        names, interval = own if names is None else names, step if interval is None else interval
    given: dict[str, Any] = {"names": names, "graph": graph, "interval": interval}
    arrays = {name: _array(name, value) for name, value in given.items() if value is not None}
    read = one_file(WHERE, _trials(x), arrays)
    return Recordings(read.trials, read.names, read.graph, read.interval or 1.0, source=WHERE)


def _trials(x: Any) -> tuple[np.ndarray, ...]:
    if isinstance(x, list | tuple) and x and all(getattr(trial, "ndim", 0) == 2 for trial in x):
        trials = [split_trials(f"{WHERE}: trial {n}", np.asarray(trial))[0] for n, trial in enumerate(x, 1)]
        for number, trial in enumerate(trials, 1):
            if trial.shape[1] != trials[0].shape[1]:
                raise RecordingError(
                    f"{WHERE}: trial {number} has {trial.shape[1]} variables, trial 1 has "
                    f"{trials[0].shape[1]}; expected the same in all."
                )
        return tuple(trials)
    return split_trials(f"{WHERE}: x", _array("x", x))


def _array(name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError as error:  # rows that differ in length
        raise RecordingError(
            f"{WHERE}: {name} is no array ({error}); expected rows of one length."
        ) from error


def _device(name: str) -> str:
    try:
        kind = torch.device(name).type
    except RuntimeError:
        kind = "unknown"
    if kind not in ("cpu", "cuda") or (kind == "cuda" and not torch.cuda.is_available()):
        raise UserError(
            f"{OWNER}: device is {name!r}; expected cpu, or cuda where torch sees a GPU "
            f"({torch.cuda.device_count()} here): change it."
        )
    return name
