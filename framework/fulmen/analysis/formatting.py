"""Numbers and tables as people read them, for the page, the terminal and TensorBoard."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fulmen.analysis.tables import is_number

if TYPE_CHECKING:
    import pandas as pd

MISSING = "–"  # noqa: RUF001  an en dash, as tables have it


@dataclass(frozen=True)
class Column:
    """One column of a table as text: its name, whether it holds numbers (align right), its cells."""

    name: str
    numeric: bool
    cells: list[str]


def format_number(value: float) -> str:
    """Return a number at four significant digits; whole numbers whole, thousands with commas."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    size = abs(value)
    if value == int(value) and size < 1e15:
        return f"{int(value):,}"
    return f"{value:,.1f}" if 1e3 <= size < 1e9 else f"{value:.4g}"


def format_table(frame: pd.DataFrame, rows: int) -> list[Column]:
    """Return the first ``rows`` rows of a plain table as text; each column has decimals of its own."""
    shown = frame.head(rows)
    whole = [shown[name].dropna() for name in frame.columns if frame[name].dtype.kind in "iu"]
    # A table of years and ids stays plain: commas only where it has numbers that need them.
    grouped = any(int(abs(value)) >= 10_000 for column in whole for value in column)
    return [_column(name, shown[name], "," if grouped else "") for name in frame.columns]


def _column(name: str, series: pd.Series[Any], separator: str) -> Column:
    cells = list(zip(series, series.isna(), strict=True))
    if not is_number(series):
        return Column(
            name, False, [MISSING if missing else str(value) or MISSING for value, missing in cells]
        )
    if series.dtype.kind in "iu":
        return Column(
            name, True, [MISSING if missing else f"{int(value):{separator}}" for value, missing in cells]
        )
    return Column(name, True, _align([math.nan if missing else float(value) for value, missing in cells]))


def _align(values: list[float]) -> list[str]:
    sizes = [abs(value) for value in values if math.isfinite(value) and value]
    whole = all(size == int(size) for size in sizes)
    if not sizes or whole or max(sizes) >= 1e6 or min(sizes) < 1e-4:
        return [format_number(value) for value in values]
    most = 3 - math.floor(math.log10(max(sizes)))  # four significant digits of the largest,
    least = 1 - math.floor(math.log10(min(sizes)))  # two of the smallest
    decimals = min(max(most, least, 0), 6)
    while decimals and all(round(size, decimals) == round(size, decimals - 1) for size in sizes):
        decimals -= 1
    return [f"{value:,.{decimals}f}" if math.isfinite(value) else format_number(value) for value in values]
