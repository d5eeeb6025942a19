"""A Parquet file: a column for each variable, null where a value is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fulmen_attention_granger.reading.columns import OneFile, from_columns
from fulmen_attention_granger.recordings import RecordingError


def read_parquet(path: Path, time_column: str | None) -> OneFile:
    """Read a Parquet file with pyarrow.

    Args:
        path: The file.
        time_column: The column that holds the time (numbers or timestamps; the interval of the latter is
            in seconds), if there is one of that name; None: there is none.

    Raises:
        RecordingError: pyarrow is not installed, the file is damaged, a column is not of numbers.
        OSError: the file cannot be read.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise RecordingError(
            f"{path}: reading Parquet needs pyarrow, which is not installed: pip install 'fulmen[parquet]'"
        ) from error
    try:
        table = parquet.ParquetFile(path).read()
    except pa.ArrowException as error:
        raise RecordingError(
            f"{path}: is not a whole Parquet file ({str(error).splitlines()[0]}): write it anew."
        ) from error
    names = [str(name) for name in table.column_names]
    columns = [
        _numbers(f"{path}: column {name!r}", table.column(index), name == time_column)
        for index, name in enumerate(names)
    ]
    values = np.stack(columns, axis=1) if columns else np.empty((table.num_rows, 0))
    return from_columns(str(path), names, values, time_column)


def _numbers(where: str, column: object, is_time: bool) -> np.ndarray:
    import pyarrow as pa

    assert isinstance(column, pa.ChunkedArray)
    kind = column.type
    if is_time and pa.types.is_timestamp(kind):
        try:
            ticks = column.cast(pa.timestamp("ns")).cast(pa.int64())
        except pa.ArrowInvalid as error:  # a year that nanoseconds do not reach
            raise RecordingError(f"{where}: {error}; expected times from 1678 to 2262.") from error
        times: np.ndarray = ticks.to_numpy().astype(np.float64) * 1e-9
        return times - times[0] if len(times) else times
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise RecordingError(f"{where}: holds {kind}; expected numbers: convert it, or take the column away.")
    try:
        values: np.ndarray = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid as error:  # integers that float64 does not hold
        raise RecordingError(f"{where}: {error}; expected numbers that float64 holds: convert it.") from error
    return values
