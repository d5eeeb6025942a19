"""Figures: a house style that needs no pyplot, and pictures that are the same bytes each time."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito (2008): told apart with any colour vision; their yellow is left out, it is lost on white.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#555555")
_INK, _MUTED, _FAINT = "#1d2433", "#5c677d", "#e3e7ee"
_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": _MUTED,
    "axes.grid": True,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10.0,
    "grid.color": _FAINT,
    "text.color": _INK,
    "xtick.color": _MUTED,
    "xtick.labelcolor": _INK,
    "ytick.color": _MUTED,
    "ytick.labelcolor": _INK,
}
_FIXED: Any = {"svg.hashsalt": "fulmen", "svg.fonttype": "path"}
_DPI = 144


def new_figure(
    rows: int = 1,
    columns: int = 1,
    *,
    size: tuple[float, float] = (7.0, 4.0),
    caption: str = "",
    **subplots: Any,
) -> tuple[Figure, Any]:
    """Return a figure in the house style and its axes, without pyplot and its global state.

    Args:
        rows: Rows of axes.
        columns: Columns of axes.
        size: Width and height in inches; 7 is the width of a page.
        caption: A sentence that stands below the figure on the page, and is read to those who do
            not see it.
        subplots: Passed to ``Figure.subplots``, such as ``sharex=True``.

    Returns:
        The Figure, and one Axes or an array of them (as ``Figure.subplots`` gives them).
    """
    import matplotlib
    from cycler import cycler
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**_STYLE, "axes.prop_cycle": cycler(color=PALETTE)}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(rows, columns, **subplots)
    figure.set_label(caption)
    return figure, axes


def caption_of(figure: Figure, name: str) -> str:
    """Return the figure's caption (its label), or its name made readable."""
    return str(figure.get_label()) or name.replace("_", " ").replace("-", " ").strip().capitalize()


def picture(figure: Figure, kind: str) -> bytes:
    """Draw a figure as ``png`` or ``svg``: the same figure gives the same bytes (no dates, fixed ids)."""
    import matplotlib

    metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    buffer = io.BytesIO()
    with matplotlib.rc_context(_FIXED):
        figure.savefig(buffer, format=kind, dpi=_DPI, bbox_inches="tight", metadata=metadata)
    return buffer.getvalue()
