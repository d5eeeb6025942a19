"""The summary of a report on the terminal: what was found, the main numbers, where the files are."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

    from fulmen.analysis.report import Report

SCALARS = 20
TABLES = 3  # small ones; the page has them all
TABLE_ROWS = 12
TABLE_COLUMNS = 8
CELL = 110  # letters of a cell: a network's layers are thousands; the page and the files have all of them
PLAIN_WIDTH = 200  # where there is no terminal: nothing is wrapped to a width that nobody has


def print_summary(report: Report, folder: Path, console: Console | None = None) -> None:
    """Print a checked report: findings, up to 20 scalars, up to 3 small tables, where the files are.

    Args:
        report: A checked report (``Report.checked``).
        folder: Where it was saved.
        console: A rich console; standard output by default. Not a terminal: plain text.
    """
    from rich.text import Text

    console = console or _console()
    with console.capture() as captured:
        for part in _parts(report, folder):
            # A path is one word, whatever the width; only findings are wrapped.
            console.print(part, highlight=False, soft_wrap=isinstance(part, Text))
    shown = captured.get()
    if not console.is_terminal:  # a log or a file: no blanks to fill up cells
        shown = "".join(f"{line.rstrip()}\n" for line in shown.splitlines())
    # A terminal that cannot show a letter shows a question mark, not a traceback.
    console.file.write(shown.encode(console.encoding, "replace").decode(console.encoding))


def _console() -> Console:
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH)


def _parts(report: Report, folder: Path) -> Iterator[RenderableType]:
    from rich.padding import Padding

    yield _text(report.title or "Report", "bold")
    for place, finding in enumerate(report.findings):
        yield Padding(_text(finding, "" if place else "bold green"), (0, 0, 0, 2))
    if report.scalars:
        yield ""
        yield _scalars(report.scalars)
    if len(report.scalars) > SCALARS:
        yield _text(f"  and {len(report.scalars) - SCALARS} more in report.json", "dim")
    small = [(name, table) for name, table in report.tables.items() if _is_small(table)]
    for name, table in small[:TABLES]:
        yield ""
        yield _text(f"  {name}", "bold")
        yield _table(table)
    yield ""
    yield _text(f"  Report: {_nearby(folder / 'report.html')}", "cyan")


def _scalars(scalars: dict[str, float]) -> Table:
    from fulmen.analysis.formatting import format_number

    grid = _grid()
    grid.add_column(overflow="fold")
    grid.add_column(justify="right", no_wrap=True)
    for name, value in itertools.islice(scalars.items(), SCALARS):
        grid.add_row(_text(name), _text(format_number(value), "bold"))
    return grid


def _is_small(table: pd.DataFrame) -> bool:
    return 0 < len(table) <= TABLE_ROWS and 0 < len(table.columns) <= TABLE_COLUMNS


def _table(frame: pd.DataFrame) -> Table:
    from fulmen.analysis.formatting import format_table

    columns = format_table(frame, TABLE_ROWS)
    grid = _grid()
    grid.show_header = True
    for column in columns:
        grid.add_column(_text(column.name), justify="right" if column.numeric else "left", overflow="fold")
    for cells in zip(*(column.cells for column in columns), strict=True):
        grid.add_row(*(_text(_shortened(cell)) for cell in cells))
    return grid


def _shortened(cell: str) -> str:
    return cell if len(cell) <= CELL else f"{cell[: CELL - 2].rstrip()} …"


def _grid() -> Table:
    from rich.table import Table

    return Table(box=None, show_header=False, header_style="dim", padding=(0, 0, 0, 2))


def _text(text: str, style: str = "") -> Text:
    """Text as it stands: no markup, no control character reaches the terminal."""
    from rich.text import Text

    return Text("".join(letter if letter.isprintable() else "\ufffd" for letter in text), style=style)


def _nearby(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
