"""Recordings from the user's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fulmen_attention_granger.data.series_data import SeriesData
from fulmen_attention_granger.options import require
from fulmen_attention_granger.reading.columns import TIME
from fulmen_attention_granger.reading.files import read_files
from fulmen_attention_granger.recordings import Recordings


class TimeSeries(SeriesData):
    """Series of the same variables from one or several files: CSV, Parquet, npz or npy.

    A table has a header of names and a row for each time step; an empty cell, NaN or null is a missing
    value, which is masked. An npz holds ``x`` of shape (time, variables) or (trials, time, variables), and
    perhaps ``names`` (text), ``graph`` (targets x sources, 0 or 1) and ``interval``. Infinite values are
    refused.

    Args:
        path: A file, or several, each a trial or more; no window crosses from one to the next.
        interval: Time between two rows; None: what the files say, else 1.
        time_column: The column of a table that holds the time, numbers or dates (ISO 8601), its steps
            equal, whole months or business days; a table need not have a ``time``. None: every column is a
            variable.
        windows: Of the windows for a Trainer: see ``SeriesData``.
    """

    def __init__(
        self,
        path: str | list[str],
        interval: float | None = None,
        time_column: str | None = TIME,
        **windows: Any,
    ) -> None:
        super().__init__(**windows)
        if interval is not None:
            require("data", interval=(interval, 1e-12, None))
        self.path = [Path(one) for one in ([path] if isinstance(path, str) else path)]
        self.interval = interval
        self.time_column = time_column

    def read(self) -> Recordings:
        """Read the files."""
        return read_files(self.path, self.interval, self.time_column)
