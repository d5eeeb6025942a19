"""``index.html``: the page that links every report below a folder of runs."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fulmen.artifacts import write_artifact
from fulmen.errors import UserError

DEPTH = 4  # folders below the top: runs/<run>/report, and a folder of runs per project above it
PICTURES = 40  # the newest reports have one; a page of hundreds stays light
_PICTURE_LIMIT = 300_000  # bytes
_MARK = '<meta name="generator" content="fulmen index">'


@dataclass(frozen=True)
class Entry:
    """One report of the index: what it says of itself, or why it cannot be read.

    Attributes:
        link: The address of its page, relative to the index.
        run: The run's folder, relative to the index.
        title: Its headline.
        finding: Its first finding, or the reason why it cannot be read.
        written: When ``report.json`` was written, seconds since 1970.
        folder: The report's folder.
        figure: The name of its first figure, or None.
    """

    link: str
    run: str
    title: str
    finding: str
    written: float
    folder: Path
    figure: str | None


def write_index(folder: str | os.PathLike[str]) -> Path:
    """Write ``index.html`` into a folder of runs and return its path; newest report first.

    It needs no other file to be shown; its links are relative, so the folder can be moved whole.

    Raises:
        UserError: an ``index.html`` stands there that fulmen did not write, or the folder cannot be
            written.
    """
    from fulmen.analysis.page import environment

    folder = Path(folder)
    path = folder / "index.html"
    _require_ours(path)
    reports, boards = _find(folder)
    entries = sorted(reports, key=lambda entry: entry.written, reverse=True)
    page = (
        environment(Path(__file__).parent)
        .get_template("index.html")
        .render(
            title=f"Reports in {folder.resolve().name}",
            entries=[_shown(entry, place < PICTURES) for place, entry in enumerate(entries)],
            boards=sorted(boards),
            command=f"tensorboard --logdir {shlex.quote(_nearby(folder))}",
        )
    )
    return write_artifact(path, page.encode("utf-8", "backslashreplace"))


def _require_ours(path: Path) -> None:
    if path.exists() and _MARK not in path.read_text(encoding="utf-8", errors="replace")[:2000]:
        raise UserError(
            f"{path}: not written by fulmen, so it is left as it is; keep runs in another folder."
        )


def _find(top: Path) -> tuple[list[Entry], list[str]]:
    reports, boards = [], []
    for place, names, files in os.walk(top):
        folder = Path(place)
        inside = folder.relative_to(top)
        names[:] = sorted(name for name in names if not name.startswith("."))
        if len(inside.parts) >= DEPTH:
            names.clear()
        if "report.json" in files:
            reports.append(_entry(folder, inside))
            names.clear()
        if any(name.startswith("events.out.tfevents.") for name in files):
            boards.append(str(inside))
    return reports, boards


def _entry(folder: Path, inside: Path) -> Entry:
    from fulmen.analysis.report_files import INDEX, read_index

    run = inside.parent if inside.name == "report" else inside
    title, finding, figure = str(run), "", None
    try:
        index = read_index(folder)
        title, figure = index["title"] or title, next(iter(index["figures"]), None)
        finding = next(iter(index["findings"]), "")
    except UserError as error:
        finding = f"Cannot be read: {error}"
    return Entry(
        link=quote(f"{inside.as_posix()}/report.html"),
        run=str(run),
        title=title,
        finding=finding,
        written=(folder / INDEX).stat().st_mtime,
        folder=folder,
        figure=figure,
    )


def _shown(entry: Entry, with_picture: bool) -> dict[str, Any]:
    date = datetime.fromtimestamp(entry.written).astimezone()
    return {
        "link": entry.link,
        "run": entry.run,
        "title": entry.title,
        "finding": entry.finding,
        "machine_date": date.isoformat(timespec="seconds"),
        "date": f"{date:%Y-%m-%d %H:%M}",
        "picture": _picture(entry) if with_picture else None,
    }


def _picture(entry: Entry) -> str | None:
    from fulmen.analysis.page import data_uri

    for kind in ("svg", "png"):
        path = entry.folder / "figures" / f"{entry.figure}.{kind}"
        if entry.figure and path.is_file() and path.stat().st_size <= _PICTURE_LIMIT:
            return data_uri(path.read_bytes(), kind)
    return None


def _nearby(folder: Path) -> str:
    relative = os.path.relpath(folder)
    return str(folder.resolve()) if relative.startswith("..") else relative
