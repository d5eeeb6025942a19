"""Columns of one type each, as Parquet and a report have them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def of_one_type(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which a column that mixes numbers, truth values and text is text.

    A choice of a search may be among ``[16, auto]``. Nothing stays nothing.
    """
    import pandas as pd

    mixed = [
        name
        for name, column in table.items()
        if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True).startswith("mixed")
    ]
    return table.assign(
        **{name: table[name].map(lambda value: None if pd.isna(value) else str(value)) for name in mixed}  # type: ignore[arg-type]
    )


def cell(value: Any) -> bool | int | float | str | None:
    """Return a plain value as a table holds it: lists and mappings as JSON."""
    return value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value)
