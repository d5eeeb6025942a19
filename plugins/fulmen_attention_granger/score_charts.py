"""The figures that judge a graph: curves against a truth, phantoms, the calibration of p values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fulmen import new_figure
from fulmen_attention_granger.estimate import Estimate
from fulmen_attention_granger.score_intervals import GRID, Intervals
from fulmen_attention_granger.scoring import precision_recall, roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MUTED = "#999999"


def curves(scores: dict[str, np.ndarray], graph: np.ndarray, intervals: dict[str, Intervals]) -> Figure:
    """Draw ROC and precision-recall curves of several methods, off the diagonal.

    Args:
        scores: (targets, sources) each; the first has its band drawn.
        graph: The truth.
        intervals: Of each, over its targets.
    """
    figure: Figure
    caption = (
        "Left: true against false positives. Right: precision against recall. Off the diagonal; the band and "
        "the brackets are 95 % bootstrap intervals over targets. Dotted: chance."
    )
    figure, (left, right) = new_figure(1, 2, size=(9.6, 3.8), caption=caption)
    widths = np.linspace(3.2, 1.2, len(scores))  # the first beneath and widest: equal curves stay visible
    for index, (name, score) in enumerate(scores.items()):
        first, second, interval = roc(score, graph), precision_recall(score, graph), intervals[name]
        label = (
            f"{name}\n  {first.area:.3f}{_bracket(interval.auroc)}, "
            f"{second.area:.3f}{_bracket(interval.auprc)}"
        )
        style = {"linewidth": widths[index], "linestyle": "-" if index < 7 else "--"}
        (drawn,) = left.plot(first.x, first.y, label=label, **style)
        right.step(np.r_[0.0, second.x], np.r_[second.y[0], second.y], where="pre", **style)
        if index == 0:
            left.fill_between(GRID, *interval.roc, color=drawn.get_color(), alpha=0.15, linewidth=0)
            right.fill_between(GRID, *interval.precision, color=drawn.get_color(), alpha=0.15, linewidth=0)
    left.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1)
    mask = ~np.eye(len(graph), dtype=bool)
    right.axhline(float(graph[mask].mean()), color=MUTED, linestyle=":", linewidth=1)
    left.set(xlabel="false-positive rate", ylabel="true-positive rate")
    right.set(xlabel="recall", ylabel="precision")
    for panel in (left, right):
        panel.set_xlim(-0.02, 1.02)
        panel.set_ylim(-0.02, 1.04)
    figure.legend(
        loc="outside right upper", frameon=False, fontsize=8, title="AUROC, AUPRC", title_fontsize=8
    )
    return figure


def phantoms(result: Estimate) -> Figure:
    """Draw the scores of pairs and phantoms, and the calibration of the p values."""
    assert result.null is not None
    assert result.significance is not None
    figure: Figure
    caption = (
        "Left: how many pairs, and how many phantom sources, which drive nothing, reach a statistic; beyond "
        "the dotted line pairs are selected. Right: the share of pairs with a p value of at most p; without "
        "any edge it stays in the band 95 times in 100 at each p."
    )
    figure, (left, right) = new_figure(1, 2, size=(8.4, 3.4), caption=caption)
    real, null = result.null
    for values, name in ((real, "pairs"), (null, "phantoms")):
        ordered = np.sort(values)
        left.step(ordered, 1 - np.arange(len(ordered)) / len(ordered), where="pre", label=name)
    mask = ~np.eye(len(result.significance.p_values), dtype=bool)
    p, selected = result.significance.p_values[mask], int(result.significance.selected[mask].sum())
    if selected:
        left.axvline(np.sort(real)[::-1][selected - 1], color=MUTED, linestyle=":", linewidth=1)
    left.set_yscale("log")
    left.set(xlabel="statistic tested", ylabel="share at least as high")
    left.legend(frameon=False, fontsize=8)
    _calibration(right, np.sort(p))
    return figure


def _calibration(panel: Axes, p: np.ndarray) -> None:
    """Draw the distribution of sorted p values, beside what uniform ones would do."""
    from scipy.special import bdtrik

    levels = np.linspace(0.0, 1.0, 201)[1:-1]
    low, high = (np.ceil(bdtrik(at, len(p), levels)) / len(p) for at in (0.025, 0.975))
    panel.fill_between(levels, low, high, color=MUTED, alpha=0.25, linewidth=0, label="no edge")
    panel.step(np.r_[0.0, p, 1.0], np.r_[0.0, np.arange(1, len(p) + 1), len(p)] / len(p),
               where="post", label="pairs")  # fmt: skip
    panel.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1)
    panel.set(xlabel="p", ylabel="share of pairs")
    panel.legend(frameon=False, fontsize=8, loc="lower right")


def _bracket(bounds: tuple[float, float]) -> str:
    return "" if np.isnan(bounds[0]) else f" [{bounds[0]:.2f}, {bounds[1]:.2f}]"
