"""The figures of a report: matrix, network, curves, lags, phantoms, calibration, time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fulmen import new_figure
from fulmen_attention_granger.estimate import Estimate
from fulmen_attention_granger.scoring import precision_recall, roc

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_NAMES = 40  # more names than this on an axis cannot be read


def matrices(result: Estimate, names: Sequence[str], graph: np.ndarray | None) -> Figure:
    """Draw the scores beside the raw attention and, where it is known, the truth."""
    panels = [("contribution", result.scores["contribution"]), ("raw attention", result.scores["attention"])]
    if result.significance is not None:
        panels.insert(1, ("selected", result.significance.selected.astype(float)))
    if graph is not None:
        panels.append(("truth", graph.astype(float)))
    caption = "Sources in columns, targets in rows. Scores are shown as roots of their share of the largest."
    figure: Figure
    figure, axes = new_figure(1, len(panels), size=(3.1 * len(panels), 3.4), caption=caption)
    for panel, (title, matrix) in zip(np.atleast_1d(axes), panels, strict=True):
        shown = np.sqrt(np.maximum(matrix, 0) / max(float(matrix.max()), 1e-30))
        panel.imshow(shown, cmap="magma_r", vmin=0, vmax=1, interpolation="nearest")
        panel.set_title(title, fontsize=10)
        panel.grid(False)
        panel.set_xlabel("source")
        if len(names) <= MOST_NAMES:
            size = max(4, min(8, 140 // len(names)))
            panel.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
            panel.set_yticks(range(len(names)), names, fontsize=size)
    np.atleast_1d(axes)[0].set_ylabel("target")
    return figure


def network(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> Figure:
    """Draw the selected edges on a circle: blue excites, orange inhibits; flagged ones are dashed."""
    caption = (
        "Selected edges: blue where the source raises the target, orange where it lowers it; dashed where "
        "the pair is flagged. Width grows with the effect."
    )
    figure: Figure
    figure, panel = new_figure(size=(5.6, 5.6), caption=caption)
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
                "color": "#0072B2" if row["sign"] >= 0 else "#D55E00",
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
            panel.text(1.1 * x, 1.1 * y, name, ha="center", va="center", fontsize=8)
    points = np.stack(list(place.values()))
    panel.scatter(points[:, 0], points[:, 1], s=30, color="#1d2433", zorder=3)
    if not drawn:
        panel.text(0, 0, "no edge selected", ha="center", va="center")
    panel.set_xlim(-1.3, 1.3)
    panel.set_ylim(-1.3, 1.3)
    panel.set_aspect("equal")
    panel.axis("off")
    return figure


def curves(scores: dict[str, np.ndarray], graph: np.ndarray) -> Figure:
    """Draw ROC and precision-recall curves of several methods, off the diagonal."""
    figure: Figure
    caption = "Left: true against false positives. Right: precision against recall. Off the diagonal."
    figure, (left, right) = new_figure(1, 2, size=(8.4, 3.8), caption=caption)
    for index, (name, score) in enumerate(scores.items()):
        first, second = roc(score, graph), precision_recall(score, graph)
        style = {"linewidth": 2.4 if index == 0 else 1.2, "linestyle": "-" if index < 7 else "--"}
        left.plot(first.x, first.y, label=f"{name}: {first.area:.3f}, {second.area:.3f}", **style)
        right.plot(second.x, second.y, **style)
    left.plot([0, 1], [0, 1], color="#999999", linestyle=":", linewidth=1)
    mask = ~np.eye(len(graph), dtype=bool)
    right.axhline(float(graph[mask].mean()), color="#999999", linestyle=":", linewidth=1)
    left.set_xlabel("false-positive rate")
    left.set_ylabel("true-positive rate")
    right.set_xlabel("recall")
    right.set_ylabel("precision")
    right.set_ylim(0, 1.02)
    figure.legend(
        loc="outside right upper", frameon=False, fontsize=8, title="AUROC, AUPRC", title_fontsize=8
    )
    return figure


def lags(result: Estimate, rows: Sequence[dict[str, Any]], names: Sequence[str], most: int = 12) -> Figure:
    """Draw the contribution of each lag for the strongest pairs."""
    figure: Figure
    figure, panel = new_figure(size=(6.4, 3.6), caption="What each single lag adds, for the highest scores.")
    index = {name: place for place, name in enumerate(names)}
    for row in rows[:most]:
        strength = result.lag_score[index[row["target"]], index[row["source"]]]
        panel.plot(range(1, len(strength) + 1), strength, marker="o", markersize=3, linewidth=1,
                   label=f"{row['source']} to {row['target']}")  # fmt: skip
    panel.set_xticks(range(1, result.lag_score.shape[2] + 1))
    panel.set_xlabel("lag (rows)")
    panel.set_ylabel("contribution")
    figure.legend(loc="outside right upper", frameon=False, fontsize=7)
    return figure


def phantoms(result: Estimate) -> Figure:
    """Draw the scores of pairs and phantoms, and the calibration of the p values."""
    assert result.null is not None
    assert result.significance is not None
    figure: Figure
    caption = (
        "Left: scores of real pairs and of phantom sources, which drive nothing. Right: the share of pairs "
        "with a p value of at most p; without any edge it follows the dotted line."
    )
    figure, (left, right) = new_figure(1, 2, size=(8.4, 3.4), caption=caption)
    real, null = result.null
    low, high = min(real.min(), null.min()), max(real.max(), null.max())
    edges = np.linspace(low, max(high, low + 1e-9), 50)
    left.hist(
        null, edges, density=False, weights=np.full(len(null), 1 / len(null)), alpha=0.6, label="phantoms"
    )
    left.hist(real, edges, density=False, weights=np.full(len(real), 1 / len(real)), alpha=0.6, label="pairs")
    left.set_yscale("symlog", linthresh=0.01)
    left.set_xlabel("statistic tested")
    left.set_ylabel("share")
    left.legend(frameon=False, fontsize=8)
    mask = ~np.eye(len(result.significance.p_values), dtype=bool)
    p = np.sort(result.significance.p_values[mask])
    right.step(p, np.arange(1, len(p) + 1) / len(p), where="post")
    right.plot([0, 1], [0, 1], color="#999999", linestyle=":", linewidth=1)
    right.set_xlabel("p")
    right.set_ylabel("share of pairs")
    return figure


def over_time(
    series: np.ndarray, limit: np.ndarray | None, labels: Sequence[str], middles: np.ndarray
) -> Figure:
    """Draw the strength of pairs over time as a heat map.

    Args:
        series: (times, pairs).
        limit: (times,), the envelope of the phantoms, subtracted as a floor; None: none.
        labels: Of the pairs.
        middles: (times,), rows.
    """
    figure: Figure
    caption = "How much each pair's source helps the forecast over time; white: no more than phantoms do."
    size = (7.0, max(2.4, 0.16 * len(labels) + 1))
    figure, panel = new_figure(size=size, caption=caption)
    shown = np.maximum(series - (0 if limit is None else limit[:, None]), 0)
    scale = max(float(np.quantile(shown, 0.99)), 1e-12)
    panel.imshow(
        (shown / scale).T,
        cmap="magma_r", vmin=0, vmax=1, aspect="auto", interpolation="nearest",
        extent=(float(middles[0]), float(middles[-1]), len(labels) - 0.5, -0.5),
    )  # fmt: skip
    panel.grid(False)
    panel.set_xlabel("row")
    panel.set_yticks(range(len(labels)), labels, fontsize=6)
    return figure
