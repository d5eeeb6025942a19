"""The planner's two pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fulmen import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKERS = "osD^v"
_NAMES = {"neighbour": "neighbour sampling", "labor": "LABOR"}


def redundancy(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw data parallel over split, rows and edges, over the number of ranks."""
    figure: Figure
    caption = (
        "What data parallelism loads and computes for each row and edge of the mini-batch. Split parallelism "
        "stays at 1, the dotted line."
    )
    figure, panels = new_figure(1, 2, size=(7.0, 3.2), caption=caption, sharey=True)
    samplers = list(dict.fromkeys(str(row["sampler"]) for row in rows))
    for panel, column, title in zip(
        panels, ("row_redundancy", "edge_redundancy"), ("feature rows loaded", "edges computed"), strict=True
    ):
        for index, sampler in enumerate(samplers):
            points = {row["parts"]: row[column] for row in rows if row["sampler"] == sampler}
            panel.plot(
                list(points),
                list(points.values()),
                marker=_MARKERS[index],
                label=_NAMES.get(sampler, sampler),
            )
        panel.axhline(1.0, color="#555555", linestyle=":", linewidth=1)
        _ranks(panel, rows)
        panel.set_title(title)
    panels[0].set_ylabel("data parallel over split")
    panels[0].set_ylim(bottom=0)
    panels[0].legend(frameon=False)
    return figure


def seconds(rows: Sequence[Mapping[str, Any]], sampler: str, batches: int) -> Figure:
    """Draw predicted seconds of a mini-batch over the number of ranks, one line a way."""
    caption = (
        f"Predicted seconds of a mini-batch ({_NAMES.get(sampler, sampler)}, mean of {batches}), from the "
        "rates in the table `rates`."
    )
    figure: Figure
    figure, panel = new_figure(size=(7.0, 3.6), caption=caption)
    mine = [row for row in rows if row["sampler"] == sampler]
    alone = {row["parts"]: row["dp_seconds"] / batches for row in mine}
    panel.plot(list(alone), list(alone.values()), marker="s", color="#555555", label="data parallel")
    for index, name in enumerate(dict.fromkeys(str(row["partitioner"]) for row in mine)):
        points = {r["parts"]: r["split_seconds"] / batches for r in mine if r["partitioner"] == name}
        panel.plot(
            list(points),
            list(points.values()),
            marker=_MARKERS[index % len(_MARKERS)],
            label=f"split, {name}",
        )
    _ranks(panel, rows)
    panel.set_ylim(bottom=0)
    panel.set_ylabel("seconds a mini-batch")
    panel.legend(frameon=False)
    return figure


def _ranks(panel: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    parts = sorted({int(row["parts"]) for row in rows})
    from matplotlib.ticker import NullLocator

    panel.set_xscale("log", base=2)
    panel.set_xticks(parts, [str(number) for number in parts])
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xlabel("ranks")
