"""A table as a recording: which column holds the time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fulmen_attention_granger.reading.times import equal_step
from fulmen_attention_granger.recordings import RecordingError

TIME = "time"  # the column that holds the time where nothing else is said and there is one


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


def from_columns(where: str, columns: list[tuple[str, np.ndarray]], time_column: str | None) -> OneFile:
    """Take the column of times away from a table, if it has one, and check its steps.

    Args:
        where: The file, for messages.
        columns: Name and values of each, in order: float64, shape (rows,); datetime64 perhaps, where it holds
            the time.
        time_column: The name of the column that holds the time; None, or ``time`` where no column is called
            so: all columns are variables.

    Raises:
        RecordingError: names repeat, the column of times is missing, or they do not rise in equal steps.
    """
    names = [name for name, _ in columns]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise RecordingError(
            f"{where}: {names.count(repeated[0])} columns are called {repeated[0]!r}; expected names that "
            "differ: rename them."
        )
    if time_column is not None and time_column not in {TIME, *names}:
        raise RecordingError(
            f"{where}: time_column is {time_column!r}, the columns are {', '.join(names[:6])}"
            f"{', ...' if len(names) > 6 else ''}; expected one of them: change it."
        )
    variables = [(name, column) for name, column in columns if name != time_column]
    rows = len(columns[0][1]) if columns else 0
    values = np.stack([column for _, column in variables], axis=1) if variables else np.empty((rows, 0))
    times = dict(columns).get(time_column) if time_column is not None else None
    interval = None if times is None else equal_step(f"{where}: column {time_column!r}", times)
    return OneFile((values,), tuple(name for name, _ in variables), interval)
