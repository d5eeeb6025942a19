"""The figures of a graph: matrix, network, strength over lags and over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fulmen import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

MOST_NAMES = 40  # more names than this on an axis cannot be read
MOST_LINES = 12  # of a chart: more cannot be told apart
RAISES, LOWERS = "#0072B2", "#D55E00"
UNTESTED = "#dfe3ea"  # the diagonal
COLOURS = "Blues"  # from white: nothing


def matrices(
    scores: dict[str, np.ndarray],
    names: Sequence[str],
    graph: np.ndarray | None,
    selected: np.ndarray | None = None,
) -> Figure:
    """Draw scores side by side, beside the truth and the selection where there are any.

    Args:
        scores: (targets, sources) each, by the name that stands above it; the one that ranks comes first.
        names: Of the variables.
        graph: The truth, or None.
        selected: bool, the same shape, or None.
    """
    ranking, *others = scores
    panels = [(ranking, scores[ranking])]
    panels += [] if selected is None else [("selected", selected.astype(float))]
    panels += [] if graph is None else [("truth", graph.astype(float))]
    panels += [(name, scores[name]) for name in others]
    caption = (
        "Sources in columns, targets in rows; the diagonal is not tested. Colours of scores grow with the "
        "root: a quarter of the highest score is half as dark."
    )
    figure: Figure
    figure, axes = new_figure(1, len(panels), size=(2.9 * len(panels) + 0.7, 3.4), caption=caption)
    axes = np.atleast_1d(axes)
    for panel, (title, matrix) in zip(axes, panels, strict=True):
        image = _matrix(panel, matrix)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("source")
        if len(names) <= MOST_NAMES:
            size = max(4, min(8, 140 // len(names)))
            panel.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
            panel.set_yticks(range(len(names)), names if panel is axes[0] else [], fontsize=size)
    axes[0].set_ylabel("target")
    figure.colorbar(image, ax=list(axes), shrink=0.7, label="root of score / highest", pad=0.01)
    return figure


def _matrix(panel: Axes, matrix: np.ndarray) -> AxesImage:
    import matplotlib

    colours = matplotlib.colormaps[COLOURS].with_extremes(bad=UNTESTED)
    shown = np.maximum(matrix, 0).astype(np.float64)
    np.fill_diagonal(shown, 0.0)
    shown = np.sqrt(shown / max(float(shown.max()), 1e-30))
    np.fill_diagonal(shown, np.nan)
    panel.grid(False)
    if len(matrix) <= MOST_NAMES:  # cells stay apart, else edges that touch look like one
        panel.set_xticks(np.arange(1, len(matrix)) - 0.5, minor=True)
        panel.set_yticks(np.arange(1, len(matrix)) - 0.5, minor=True)
        panel.grid(which="minor", color="white", linewidth=1)
        panel.tick_params(which="minor", length=0)
        panel.set_axisbelow(False)
    return panel.imshow(shown, cmap=colours, vmin=0, vmax=1, interpolation="nearest")


def network(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> Figure:
    """Draw the selected edges on a circle: blue excites, orange inhibits; flagged ones are dashed."""
    figure: Figure
    caption = "Selected edges. Width grows with the effect; flagged pairs may share a cause not recorded."
    figure, panel = new_figure(size=(5.8, 5.8), caption=caption)
    angle = np.pi / 2 - 2 * np.pi * np.arange(len(names)) / len(names)
    place = dict(zip(names, np.stack([np.cos(angle), np.sin(angle)], 1), strict=True))
    drawn = [row for row in rows if row["selected"]]
    largest = max((abs(row["effect"]) for row in drawn), default=1.0) or 1.0
    for row in drawn:
        panel.annotate(
            "",
            xy=place[row["target"]] * 0.97,
            xytext=place[row["source"]] * 0.97,
            arrowprops={
                "arrowstyle": "-|>",
                "color": RAISES if row["sign"] >= 0 else LOWERS,
                "linestyle": "--" if row["flag"] else "-",
                "linewidth": 0.4 + 1.8 * abs(row["effect"]) / largest,
                "alpha": 0.75,
                "connectionstyle": "arc3,rad=0.12",
                "shrinkA": 4,
                "shrinkB": 6,
            },
        )
    if len(names) <= MOST_NAMES:
        for name, (x, y) in place.items():
            sides = ("right" if x < -0.1 else "left" if x > 0.1 else "center"), "center"
            panel.text(1.07 * x, 1.07 * y, name, ha=sides[0], va=sides[1], fontsize=8)
    points = np.stack(list(place.values()))
    panel.scatter(points[:, 0], points[:, 1], s=30, color="#1d2433", zorder=3)
    if not drawn:
        panel.text(0, 0, "no edge selected", ha="center", va="center")
    panel.set_xlim(-1.3, 1.3)
    panel.set_ylim(-1.3, 1.3)
    panel.set_aspect("equal")
    panel.axis("off")
    for label, colour, dash in (
        ("raises", RAISES, "-"),
        ("lowers", LOWERS, "-"),
        ("flagged", "#555555", "--"),
    ):
        panel.plot([], [], color=colour, linestyle=dash, label=label)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure


def lags(
    lag_score: np.ndarray, rows: Sequence[dict[str, Any]], names: Sequence[str], interval: float = 1.0
) -> Figure:
    """Draw the contribution of each lag: of the selected pairs, or of the highest where none is.

    Args:
        lag_score: (targets, sources, lags).
        rows: Of the table ``edges``, the highest scores first.
        names: Of the variables.
        interval: Time between two rows.
    """
    figure: Figure
    caption = (
        f"What each lag adds while the source's other lags stay: at most {MOST_LINES} pairs, the highest "
        "scores. Lags know some of the same: parts do not add up to the score."
    )
    figure, panel = new_figure(size=(7.0, 3.6), caption=caption)
    index = {name: place for place, name in enumerate(names)}
    shown = ([row for row in rows if row["selected"]] or list(rows))[:MOST_LINES]
    for number, row in enumerate(shown):
        strength = lag_score[index[row["target"]], index[row["source"]]]
        style = {"marker": "o", "linestyle": "-"} if number < 7 else {"marker": "s", "linestyle": "--"}
        panel.plot(range(1, len(strength) + 1), strength, markersize=3, linewidth=1, **style,
                   label=f"{row['source']} to {row['target']}")  # fmt: skip
    panel.set_xticks(range(1, lag_score.shape[2] + 1))
    panel.set_xlabel(f"lag ({_rows(interval)})")
    panel.set_ylabel("contribution")
    figure.legend(loc="outside right upper", frameon=False, fontsize=7)
    return figure


def over_time(
    series: np.ndarray,
    limit: np.ndarray | None,
    labels: Sequence[str],
    rows: np.ndarray,
    interval: float = 1.0,
) -> Figure:
    """Draw the strength of pairs over time as a heat map, trials one after the other.

    Args:
        series: (times, pairs).
        limit: (times,), the envelope of the phantoms, subtracted as a floor; None: none.
        labels: Of the pairs.
        rows: (times, 3): trial, first and last row of each block, in the order of time.
        interval: Time between two rows.
    """
    figure: Figure
    floor = "white: no more than phantoms do" if limit is not None else "white: nothing"
    caption = f"How much each pair's source helps the forecast over time; {floor}. Lines part trials."
    figure, panel = new_figure(size=(7.0, max(2.6, 0.16 * len(labels) + 1.2)), caption=caption)
    shown = np.maximum(series - (0 if limit is None else limit[:, None]), 0)
    scale = max(float(np.quantile(shown, 0.99)), 1e-12)
    edges, starts = _time_edges(rows)
    image = panel.pcolormesh(
        edges, np.arange(len(labels) + 1) - 0.5, (shown / scale).T, cmap=COLOURS, vmin=0, vmax=1
    )
    for start in starts[1:]:
        panel.axvline(start, color="#1d2433", linewidth=0.8)
    panel.grid(False)
    panel.invert_yaxis()
    panel.set_xlabel(f"time ({_rows(interval)}{'' if len(starts) == 1 else ', trials one after the other'})")
    panel.set_yticks(range(len(labels)), labels, fontsize=6)
    figure.colorbar(image, ax=panel, label="help, 1 = 99 % of all seen", pad=0.01)
    return figure


def _time_edges(rows: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Return where blocks begin and end on one axis of all trials, and where the trials begin."""
    edges, starts, offset = [], [], 0.0
    for trial in dict.fromkeys(rows[:, 0].tolist()):
        mine = rows[rows[:, 0] == trial]
        starts.append(offset)
        edges += [offset, *(offset + mine[1:, 1])]
        offset += float(mine[-1, 2] + 1)
    return np.array([*edges, offset], dtype=np.float64), starts


def _rows(interval: float) -> str:
    return "rows" if interval == 1 else f"rows of {interval:g}"
