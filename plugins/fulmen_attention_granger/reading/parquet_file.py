"""A Parquet file: a column for each variable, null where a value is missing."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from fulmen_attention_granger.reading.columns import OneFile, from_columns
from fulmen_attention_granger.reading.times import parsed
from fulmen_attention_granger.recordings import RecordingError


def read_parquet(path: Path, time_column: str | None) -> OneFile:
    """Read a Parquet file with pyarrow.

    Args:
        path: The file.
        time_column: The column that holds the time (numbers, timestamps, or dates as text), if there is
            one of that name; None: there is none.

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
    columns = [
        (str(name), _values(f"{path}: column {str(name)!r}", column, str(name) == time_column))
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return from_columns(str(path), columns, time_column)


def _values(where: str, column: object, is_time: bool) -> np.ndarray:
    import pyarrow as pa

    assert isinstance(column, pa.ChunkedArray)
    kind = column.type
    if is_time and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        naive = pa.timestamp(kind.unit if pa.types.is_timestamp(kind) else "s")
        times: np.ndarray = column.cast(naive).to_numpy()
        return times
    if is_time and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return parsed(where, [cell or "" for cell in column.to_pylist()], partial(_no_number, where))
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        is_time = pa.types.is_timestamp(kind) or pa.types.is_date(kind)
        remedy = "name it as time_column" if is_time else "convert it, or take the column away"
        raise RecordingError(f"{where}: holds {kind}; expected numbers: {remedy}.")
    try:
        values: np.ndarray = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid as error:  # integers that float64 does not hold
        raise RecordingError(f"{where}: {error}; expected numbers that float64 holds: convert it.") from error
    return values


def _no_number(where: str, row: int, cell: str) -> float:
    if cell.strip():
        raise RecordingError(f"{where}: row {row + 1}: {cell[:40]!r} is no date in ISO 8601: convert it.")
    return float("nan")
