"""The page that a report becomes: one self-contained HTML file, and the fragment that notebooks show."""

from __future__ import annotations

import base64
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

    from fulmen.analysis.report import Report

ROWS = 30  # of a table on the page; the CSV has them all
LONG = 15  # lines of provenance; a whole configuration is folded away
_SVG_LIMIT = 400_000  # bytes; a drawing of many thousand points is smaller as pixels


def render(
    report: Report, pictures: Mapping[str, Mapping[str, bytes]], provenance: Mapping[str, Any] | None = None
) -> str:
    """Return a report as an HTML page that needs nothing else: no link, no script, no font.

    Args:
        report: A checked report (``Report.checked``).
        pictures: Figure name to ``{"svg": ..., "png": ...}``.
        provenance: What made it: versions, command, configuration, seed; nested mappings are fine.
    """
    content = _content(report, pictures, provenance or {})
    return environment().get_template("page.html").render(content, files=True)


def fragment(report: Report) -> str:
    """Return a checked report as HTML to stand inside another page, for ``_repr_html_``."""
    from fulmen.analysis.figures import picture

    pictures = {
        name: {kind: picture(figure, kind) for kind in ("svg", "png")}
        for name, figure in report.figures.items()
    }
    return environment().get_template("fragment.html").render(_content(report, pictures, {}), files=False)


@functools.cache
def environment(folder: Path = Path(__file__).parent) -> Environment:
    """Return the templates of a folder, every value escaped; ``css`` is the style of all pages."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["css"] = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    return made


def data_uri(content: bytes, kind: str) -> str:
    """Return a picture as a ``data:`` address; ``kind`` is ``png`` or ``svg``."""
    mime = {"png": "image/png", "svg": "image/svg+xml"}[kind]
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def _content(
    report: Report, pictures: Mapping[str, Mapping[str, bytes]], provenance: Mapping[str, Any]
) -> dict[str, Any]:
    from fulmen.analysis.figures import caption_of
    from fulmen.analysis.formatting import format_number, format_table

    groups = {str(key): list(_flat({key: value})) for key, value in provenance.items()}
    return {
        "title": report.title or "Report",
        "findings": report.findings,
        "scalars": [(*_split(name), format_number(value), value) for name, value in report.scalars.items()],
        "figures": [
            (name, caption_of(figure, name), _embed(pictures[name]))
            for name, figure in report.figures.items()
        ],
        "tables": [(name, len(table), format_table(table, ROWS)) for name, table in report.tables.items()],
        "arrays": [(name, array.dtype, _shape(array.shape)) for name, array in report.arrays.items()],
        "facts": [fact for group in groups.values() if len(group) <= LONG for fact in group],
        "details": [(key, group) for key, group in groups.items() if len(group) > LONG],
        "rows": ROWS,
    }


def _split(name: str) -> tuple[str, str]:
    place, slash, last = name.rpartition("/")
    return place + slash, last


def _embed(picture: Mapping[str, bytes]) -> str:
    kind = "svg" if len(picture["svg"]) <= _SVG_LIMIT else "png"
    return data_uri(picture[kind], kind)


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(str(size) for size in shape) or "one value"  # noqa: RUF001


def _flat(mapping: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in mapping.items():
        if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
            value = dict(enumerate(value))
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)
