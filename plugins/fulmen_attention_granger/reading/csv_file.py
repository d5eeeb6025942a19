"""A CSV file: a header of names, a row for each time step, an empty cell where a value is missing."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import numpy as np

from fulmen_attention_granger.reading.columns import OneFile, from_columns
from fulmen_attention_granger.reading.times import is_date, parsed
from fulmen_attention_granger.recordings import RecordingError

MISSING = frozenset(["", "nan", "na", "n/a", "null", "none"])  # in small letters
DELIMITERS = ",;\t"


def read_csv(path: Path, time_column: str | None) -> OneFile:
    """Read a CSV file, its cells separated by commas, semicolons or tabs: whichever the header has most of.

    Args:
        path: The file, UTF-8.
        time_column: The column that holds the time, if there is one of that name; None: there is none.

    Raises:
        RecordingError: no header, no rows, a row of another length, a cell that is no number (its row and
            column are named), repeated names, unequal steps of time.
        OSError: the file cannot be read.
    """
    with path.open(newline="", encoding="utf-8-sig", errors="strict") as file:
        try:
            first = file.readline()
            delimiter = max(DELIMITERS, key=first.count)
            file.seek(0)
            rows = [row for row in csv.reader(file, delimiter=delimiter, strict=True) if row]
        except (csv.Error, UnicodeDecodeError) as error:
            raise RecordingError(
                f"{path}: is not a text table ({error}); expected CSV in UTF-8: save it as that."
            ) from error
    if len(rows) < 2:
        raise RecordingError(
            f"{path}: has {len(rows)} lines; expected a header of names and a row for each time step."
        )
    header = [name.strip() for name in rows[0]]
    _check_header(path, header)
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(header):
            raise RecordingError(
                f"{path}: row {number} has {len(row)} cells, the header {len(header)}; expected as many: "
                "mend the row."
            )
    cells = zip(*rows[1:], strict=True)
    columns = [
        (name, _column(path, name, list(column), name == time_column))
        for name, column in zip(header, cells, strict=True)
    ]
    return from_columns(str(path), columns, time_column)


def _check_header(path: Path, header: list[str]) -> None:
    numbers = [name for name in header if _is_number(name)]
    if len(numbers) == len(header):
        raise RecordingError(
            f"{path}: the first line holds numbers alone ({header[0]}, ...); expected the names of the "
            "variables: put a line of names above it."
        )
    if "" in header:
        raise RecordingError(
            f"{path}: column {header.index('') + 1} has no name; expected one each: name it, or take away a "
            "column that only counts the rows."
        )


def _number(path: Path, column: str, row: int, cell: str) -> float:
    text = cell.strip()
    if text.lower() in MISSING:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        if is_date(text):
            raise RecordingError(
                f"{path}: row {row + 1}, column {column!r}: {text[:40]!r} is a date, expected a number: if "
                f"the column holds the time, say time_column: {column}."
            ) from None
        raise RecordingError(
            f"{path}: row {row + 1}, column {column!r}: {text[:40]!r} is no number; expected one, or an "
            f"empty cell where the value is missing{': write decimals with a point' if ',' in text else ''}."
        ) from None


def _column(path: Path, name: str, cells: list[str], is_time: bool) -> np.ndarray:
    number = partial(_number, path, name)
    if is_time:
        return parsed(f"{path}: column {name!r}", cells, number)
    return np.array([number(*cell) for cell in enumerate(cells)])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
