"""A table as CSV text and its column types, and back: what is written is what is read."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fulmen.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

_SIZES = ("8", "16", "32", "64")
_INTEGERS = {f"{kind}{size}" for kind in ("int", "uint", "Int", "UInt") for size in _SIZES}
_FLOATS = {"float16", "float32", "float64", "Float32", "Float64"}
_TRUTHS = {"bool", "boolean"}
_TEXTS = {"str", "string"}
_TRUTH_VALUES = {"True": True, "False": False, "": None}
_NEEDS_QUOTES = re.compile(r'[",\r\n]|^$')
_OBJECTS: dict[str, tuple[Any, Any]] = {  # what Python objects hold -> its type, and with some missing
    "string": ("str", "str"),
    "empty": ("str", "str"),
    "boolean": ("bool", "boolean"),
    "integer": ("int64", "Int64"),
    "floating": ("float64", "float64"),
    "mixed-integer-float": ("float64", "float64"),
}


def plain_table(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a copy whose columns have types that a CSV can give back; the index is dropped.

    Column names and dates become text. Categories and Python objects become the text, numbers or
    truth values that they hold; a missing value among them stays missing.

    Args:
        frame: Any DataFrame; 0 rows or 0 columns are fine.
        name: The table's name, for the error.

    Raises:
        UserError: two columns have one name, or a column holds something else (lists, complex
            numbers, a mixture of text and numbers).
    """
    import pandas as pd

    names = [str(column) for column in frame.columns]
    twice = {column for column in names if names.count(column) > 1}
    if twice:
        raise UserError(f"report: table {name!r} has two columns {min(twice)!r}; give each its own name.")
    columns = {}
    for place, column in enumerate(names):
        series = frame.iloc[:, place].reset_index(drop=True)
        columns[column] = _plain_column(series, f"table {name!r}, column {column!r}")
    return pd.DataFrame(columns, index=pd.RangeIndex(len(frame)), columns=pd.Index(names))


def to_csv(frame: pd.DataFrame) -> str:
    """Return a plain table as CSV: a header, ``\\n`` line ends, missing values empty."""
    lines = [",".join(_quoted(name) for name in frame.columns)]
    cells = [_write(frame[name]) for name in frame.columns]
    lines += [",".join(row) for row in zip(*cells, strict=True)]
    return "\n".join(lines) + "\n"


def describe_table(frame: pd.DataFrame) -> dict[str, Any]:
    """Return what a CSV does not say: the rows, the types, and which texts are empty, not missing."""
    columns = []
    for name in frame.columns:
        column: dict[str, Any] = {"name": name, "dtype": type_name(frame[name])}
        if column["dtype"] in _TEXTS:
            empty = [row for row, value in enumerate(frame[name]) if isinstance(value, str) and not value]
            column |= {"empty": empty} if empty else {}
        columns.append(column)
    return {"rows": len(frame), "columns": columns}


def from_csv(content: bytes, description: dict[str, Any]) -> pd.DataFrame:
    """Return the table that ``to_csv`` wrote and ``describe_table`` described.

    Raises:
        ValueError: the file does not have the rows or columns of the description.
    """
    import pandas as pd

    rows, described = description["rows"], description["columns"]
    names = pd.Index([column["name"] for column in described])
    if not described:
        return pd.DataFrame(index=pd.RangeIndex(rows), columns=names)
    # The header is read as a row, or pandas would rename what it finds in it.
    cells = pd.read_csv(io.BytesIO(content), header=None, dtype=str, na_filter=False, skip_blank_lines=False)
    if cells.shape != (rows + 1, len(described)):
        found = f"{len(cells) - 1} rows of {cells.shape[1]} columns"
        raise ValueError(f"holds {found}, report.json says {rows} of {len(described)}")
    series = [_read(cells.iloc[1:, place].tolist(), column) for place, column in enumerate(described)]
    frame = pd.concat(series, axis=1)
    frame.columns = names
    return frame


def type_name(column: pd.Series[Any]) -> str:
    """Return the name of a plain column's type; text is ``str`` whatever pandas stores it as."""
    name = str(column.dtype)
    return "str" if name == "object" else name


def is_number(column: pd.Series[Any]) -> bool:
    """Whether a plain column holds numbers (truth values are not)."""
    return type_name(column) in _INTEGERS | _FLOATS


def _plain_column(column: pd.Series[Any], where: str) -> pd.Series[Any]:
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if column.dtype == object:
        return _from_objects(column, where)
    if column.dtype.kind in "mM":
        return _text(None if pd.isna(moment) else str(moment) for moment in column)
    if type_name(column) not in _INTEGERS | _FLOATS | _TRUTHS | _TEXTS:
        raise UserError(
            f"report: {where} is of type {column.dtype}; a table holds numbers, truth values, text and dates."
        )
    return column


def _from_objects(column: pd.Series[Any], where: str) -> pd.Series[Any]:
    import pandas as pd

    held = pd.api.types.infer_dtype(column, skipna=True)
    if held not in _OBJECTS:
        raise UserError(f"report: {where} holds {held} objects; make it numbers, or text by .astype(str).")
    whole, with_missing = _OBJECTS[held]
    if whole == "str":
        return _text(None if pd.isna(value) else str(value) for value in column)
    try:
        return column.astype(with_missing if column.isna().any() else whole)
    except OverflowError:
        raise UserError(f"report: {where} holds integers beyond 64 bits; make it .astype(str).") from None


def _text(values: Iterable[str | None]) -> pd.Series[Any]:
    import pandas as pd

    # ``str`` in pandas 3, ``object`` before: whatever this pandas makes of text.
    return pd.Series(list(values), dtype=pd.Series(["text"]).dtype)


def _write(column: pd.Series[Any]) -> list[str]:
    write = _quoted if type_name(column) in _TEXTS else str
    cells = zip(column.array, column.isna(), strict=True)
    return ["" if missing else write(value) for value, missing in cells]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def _read(cells: list[str], column: dict[str, Any]) -> pd.Series[Any]:
    import numpy as np
    import pandas as pd

    dtype = column["dtype"]
    if dtype in _TEXTS:
        empty = set(column.get("empty", ()))
        texts = [cell if cell or row in empty else None for row, cell in enumerate(cells)]
        return _text(texts) if dtype == "str" else pd.Series(texts, dtype=dtype)
    if dtype in _TRUTHS:
        return pd.Series([_TRUTH_VALUES[cell] for cell in cells], dtype=dtype)
    if dtype in _INTEGERS:
        return pd.Series([int(cell) if cell else None for cell in cells], dtype=dtype)
    if dtype in _FLOATS:
        floats = pd.Series(np.array([float(cell or "nan") for cell in cells]), dtype="float64")
        return floats.astype(dtype)
    raise ValueError(f"has a column of an unknown type {dtype!r}")
