"""A report as a folder: what is in it, how it is written as a whole, how it is read."""

from __future__ import annotations

import functools
import importlib.util
import json
import math
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fulmen.analysis.report import Report, require_name
from fulmen.artifacts import artifact_folder
from fulmen.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

T = TypeVar("T")

SCHEMA_VERSION = 1
INDEX = "report.json"
_OURS = {INDEX, "report.html", "tables", "figures", "arrays.npz"}
_KEYS = ("title", "findings", "scalars", "tables", "figures", "arrays")
_DAMAGE = (
    AttributeError,
    EOFError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def write_report(report: Report, folder: Path, provenance: Mapping[str, Any]) -> Path:
    """Write a checked report as a folder that appears as a whole; see ``Report.save``."""
    from fulmen.analysis.arrays import to_npz
    from fulmen.analysis.figures import picture
    from fulmen.analysis.page import render

    _require_ours(folder)
    with artifact_folder(folder) as new:
        pictures: dict[str, dict[str, bytes]] = {}
        for name, figure in report.figures.items():
            pictures[name] = {kind: picture(figure, kind) for kind in ("png", "svg")}
            for kind, content in pictures[name].items():
                _put(new / "figures" / f"{name}.{kind}", content)
        for name, table in report.tables.items():
            _put_table(new / "tables", name, table)
        if report.arrays:
            _put(new / "arrays.npz", to_npz(report.arrays))
        _put(new / "report.html", _utf8(render(report, pictures, provenance)))
        _put(new / INDEX, _utf8(_index(report, provenance)))
    return folder


def read_report(path: Path) -> dict[str, Any]:
    """Return the fields of the report at ``path``, but for its figures; see ``Report.load``."""
    folder = find_report(path)
    index = read_index(folder)
    return {
        "title": index["title"],
        "scalars": index["scalars"],
        "tables": {name: _get_table(folder, name, described) for name, described in index["tables"].items()},
        "arrays": _get_arrays(folder / "arrays.npz", index["arrays"]),
        "findings": index["findings"],
    }


def find_report(path: Path) -> Path:
    """Return the report folder that a run directory, a report folder or a ``report.json`` means.

    Raises:
        UserError: there is none.
    """
    for folder in (path, path / "report", path.parent if path.name == INDEX else path):
        if (folder / INDEX).is_file():
            return folder
    found = "it holds no report.json" if path.is_dir() else "there is no such folder"
    raise UserError(f"{path}: no report: {found}; give a run directory, a report folder or its report.json.")


def read_index(folder: Path) -> dict[str, Any]:
    """Return ``report.json`` of a report folder, checked, its scalars as floats.

    Raises:
        UserError: it is damaged or a newer fulmen wrote it.
    """
    path = folder / INDEX
    index = _reading(path, lambda: json.loads(path.read_text(encoding="utf-8")))
    return _reading(path, lambda: _checked_index(path, index))


def _checked_index(path: Path, index: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(index, dict) or not isinstance(index.get("schema_version"), int):
        raise ValueError("not a report of fulmen: no schema_version")
    version = index["schema_version"]
    if version > SCHEMA_VERSION:
        raise UserError(
            f"{path}: written by a newer fulmen (schema {version}; this one reads up to {SCHEMA_VERSION}); "
            "update fulmen to read it."
        )
    if missing := [key for key in _KEYS if key not in index]:
        raise ValueError(f"lacks {missing[0]!r}")
    for kind in ("table", "figure", "array"):
        for name in index[f"{kind}s"]:
            require_name(kind, name)  # names become paths: never trust them
    if not all(isinstance(text, str) for text in (index["title"], *index["findings"])):
        raise ValueError("title and findings must be text")
    return {**index, "scalars": {name: float(value) for name, value in index["scalars"].items()}}


def _reading(path: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except FileNotFoundError:
        raise UserError(f"{path}: missing; the report is not whole, write it again.") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}).") from None
    except _DAMAGE as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: damaged ({cause}); write the report again.") from None


def _require_ours(folder: Path) -> None:
    if folder.is_file():
        raise UserError(f"{folder}: is a file; a report needs a folder of its own.")
    others = {entry.name for entry in folder.iterdir()} - _OURS if folder.exists() else set()
    if others:
        raise UserError(
            f"{folder}: holds {min(others)!r}, which a report would replace; choose a new folder."
        )


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


def _utf8(text: str) -> bytes:
    # Names of files may hold bytes that are no text; in JSON the escape reads back as it was.
    return text.encode("utf-8", "backslashreplace")


def _put_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    from fulmen.analysis.tables import to_csv

    _put(folder / f"{name}.csv", _utf8(to_csv(table)))
    if _has_parquet():
        table.to_parquet(folder / f"{name}.parquet", engine="pyarrow", index=False)


@functools.cache
def _has_parquet() -> bool:
    return importlib.util.find_spec("pyarrow") is not None


def _get_table(folder: Path, name: str, description: dict[str, Any]) -> pd.DataFrame:
    from fulmen.analysis.tables import from_csv

    path = folder / "tables" / f"{name}.csv"
    return _reading(path, lambda: from_csv(path.read_bytes(), description))


def _get_arrays(path: Path, described: dict[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    from fulmen.analysis.arrays import from_npz

    return _reading(path, lambda: from_npz(path, described)) if described else {}


def _index(report: Report, provenance: Mapping[str, Any]) -> str:
    from fulmen.analysis.arrays import describe_array
    from fulmen.analysis.figures import caption_of
    from fulmen.analysis.tables import describe_table

    index = {
        "schema_version": SCHEMA_VERSION,
        "title": report.title,
        "findings": report.findings,
        "scalars": {name: _json_number(value) for name, value in report.scalars.items()},
        "tables": {name: describe_table(table) for name, table in report.tables.items()},
        "figures": {name: {"caption": caption_of(figure, name)} for name, figure in report.figures.items()},
        "arrays": {name: describe_array(array) for name, array in report.arrays.items()},
        "provenance": _plain(provenance),
    }
    return json.dumps(index, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _json_number(value: float) -> float | str:
    """JSON has no NaN and no infinity: they are written as text that ``float`` reads."""
    return value if math.isfinite(value) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return _json_number(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)
