"""A table as a recording: which column holds the time, and whether its steps are equal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fulmen_attention_granger.recordings import RecordingError

TOLERANCE = 0.01  # of a step: times in files are rounded


class OneFile(NamedTuple):
    """What one file holds.

    Attributes:
        trials: float64, (time, variables) each, NaN where missing.
        names: Of the variables.
        interval: Between two rows, or None where the file does not say.
        graph: (targets, sources) bool, or None.
        truths: Further knowledge about pairs, by name.
    """

    trials: tuple[np.ndarray, ...]
    names: tuple[str, ...]
    interval: float | None = None
    graph: np.ndarray | None = None
    truths: dict[str, np.ndarray] = {}


def from_columns(where: str, names: list[str], values: np.ndarray, time_column: str | None) -> OneFile:
    """Take the column of times away from a table, if it has one, and check its steps.

    Args:
        where: The file, for messages.
        names: Of all columns, in order.
        values: float64, shape (rows, columns).
        time_column: The name of the column that holds the time; None, or a name that no column has: all
            columns are variables.

    Raises:
        RecordingError: names repeat, or the times do not rise in equal steps.
    """
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise RecordingError(
            f"{where}: {names.count(repeated[0])} columns are called {repeated[0]!r}; expected names that "
            "differ: rename them."
        )
    if time_column is None or time_column not in names:
        return OneFile((values,), tuple(names))
    at = names.index(time_column)
    interval = equal_step(f"{where}: column {time_column!r}", values[:, at])
    return OneFile((np.delete(values, at, axis=1),), tuple(names[:at] + names[at + 1 :]), interval)


def equal_step(where: str, times: np.ndarray) -> float:
    """Return the step between times that rise evenly.

    Args:
        where: What holds the times, for messages.
        times: float64, shape (rows,).

    Raises:
        RecordingError: fewer than two times, one is missing, or a step differs from the median step by
            more than 1 %; names the first such row.
    """
    if len(times) < 2 or not np.isfinite(times).all():
        gap = int(np.flatnonzero(~np.isfinite(times))[0]) + 1 if len(times) > 1 else len(times)
        raise RecordingError(
            f"{where}: row {gap} has no time; expected two or more times, none missing: fill it in, or say "
            "time_column: null and take the column out."
        )
    steps = np.diff(times)
    step = float(np.median(steps))
    wrong = np.flatnonzero(np.abs(steps - step) > TOLERANCE * abs(step))
    if step <= 0 or len(wrong):
        row = int(wrong[0]) if len(wrong) else int(np.flatnonzero(steps <= 0)[0])
        raise RecordingError(
            f"{where}: the time goes from {times[row]:g} to {times[row + 1]:g} after row {row + 1}, the "
            f"usual step is {step:g}; expected equal steps upwards: resample, and leave lost rows empty."
        )
    return step
