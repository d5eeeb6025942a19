"""A report: what an analysis found, as data; saved and loaded as a folder of plain files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fulmen.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}")


@dataclass(eq=False, repr=False)
class Report:
    """What an analysis found.

    Attributes:
        title: A headline.
        scalars: Named figures, ``"accuracy/in_place/0.01"``; NaN and infinity allowed. Searches can
            aim at them.
        tables: Name to DataFrame; the index is not kept, so make it a column.
        figures: Name to matplotlib Figure. Its label (``figure.set_label``) is its caption. A loaded
            report has none: the pictures are files.
        arrays: Name to numpy array (no objects).
        findings: Sentences for people, the most important first.

    The names of tables, figures and arrays become file names: letters, digits, ``_``, ``-`` and
    ``.``, at most 100. Two reports are equal when all but their figures is, types included; NaN
    equals NaN.
    """

    title: str = ""
    scalars: dict[str, float] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    arrays: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def save(self, folder: str | os.PathLike[str], provenance: Mapping[str, Any] | None = None) -> Path:
        """Write the report as ``folder``, whole or not at all, and return the folder.

        Holds ``report.json``, ``report.html``, ``tables/*.csv`` (and ``.parquet`` where pyarrow is
        installed), ``figures/*.png`` and ``.svg``, ``arrays.npz``. The same report gives the same
        bytes. A report that stood there is replaced.

        Args:
            folder: Where; it may exist if it is empty or holds a report and nothing else.
            provenance: What made the report (versions, command, seed), for the page; plain data.

        Raises:
            UserError: a name, scalar, table or array cannot be kept, or the folder holds other files.
            ArtifactError: the disk is full; what stood there is untouched.
        """
        from fulmen.analysis.report_files import write_report

        return write_report(self.checked(), Path(folder), provenance or {})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Report:
        """Return the report of a run directory, a report folder or a ``report.json``; no figures.

        Raises:
            UserError: there is none, it is damaged, or a newer fulmen wrote it.
        """
        from fulmen.analysis.report_files import read_report

        return cls(**read_report(Path(path)))

    def checked(self) -> Report:
        """Return a copy in plain types: floats, tables that a CSV can hold, numpy arrays.

        Raises:
            UserError: something cannot be kept; names it.
        """
        from fulmen.analysis.arrays import plain_array
        from fulmen.analysis.tables import plain_table

        for kind, named in (("table", self.tables), ("figure", self.figures), ("array", self.arrays)):
            for name in named:
                require_name(kind, name)
        return Report(
            title=str(self.title),
            scalars={name: _plain_scalar(name, value) for name, value in self.scalars.items()},
            tables={name: plain_table(table, name) for name, table in self.tables.items()},
            figures=dict(self.figures),
            arrays={name: plain_array(array, name) for name, array in self.arrays.items()},
            findings=[str(finding) for finding in self.findings],
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Report):
            return NotImplemented
        from fulmen.analysis.arrays import same_array

        mine, theirs = self.checked(), other.checked()
        return (
            mine.title == theirs.title
            and mine.findings == theirs.findings
            and _same(mine.scalars, theirs.scalars, lambda a, b: a == b or (a != a and b != b))
            and _same(mine.tables, theirs.tables, lambda a, b: a.equals(b))
            and _same(mine.arrays, theirs.arrays, same_array)
        )

    __hash__ = None  # type: ignore[assignment]  # a report can be changed

    def __repr__(self) -> str:
        """Say what was found and what there is of it, in a few lines."""
        kinds = ("scalars", "tables", "figures", "arrays")
        has = [f"{kind}: {', '.join(getattr(self, kind))}" for kind in kinds if getattr(self, kind)]
        findings = [f"- {finding}" for finding in self.findings]
        return "\n".join([f"Report: {self.title or 'untitled'}", *findings, *has])

    def _repr_html_(self) -> str:
        from fulmen.analysis.page import fragment

        return fragment(self.checked())


def require_name(kind: str, name: object) -> None:
    """Refuse a name that cannot be a file's name on every system."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(
            f"report: {name!r} cannot name a {kind}, for it becomes a file name; "
            "use letters, digits, '_', '-' and '.'."
        )


def _plain_scalar(name: object, value: Any) -> float:
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise UserError(f"report: {name!r} cannot name a scalar; use printable text.")
    if isinstance(value, str | bytes):
        raise UserError(f"report: scalar {name!r} is {value!r}; a number is needed.")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(
            f"report: scalar {name!r} is a {type(value).__name__} ({error}); a number is needed."
        ) from None


def _same(mine: Mapping[str, Any], theirs: Mapping[str, Any], equal: Any) -> bool:
    return mine.keys() == theirs.keys() and all(equal(value, theirs[name]) for name, value in mine.items())
