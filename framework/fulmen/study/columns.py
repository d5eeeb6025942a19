"""Columns of one type each, as Parquet and a report have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
        **{name: table[name].map(lambda cell: None if pd.isna(cell) else str(cell)) for name in mixed}  # type: ignore[arg-type]
    )
