"""Data parallel or split, with how many ranks, by which partitioner?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CLOSE = 0.03  # predictions are no better than that: within it, the simpler thing is recommended


@dataclass(frozen=True)
class Recommendation:
    """What the table says.

    Attributes:
        way: ``split parallel`` or ``data parallel``.
        parts: For how many ranks.
        partitioner: Of a split; the best even where data parallel is recommended.
        sampler: The sampler of the row.
        gain: Predicted seconds of data parallel over those of the split; above 1, splitting is faster.
    """

    way: str
    parts: int
    partitioner: str
    sampler: str
    gain: float


def best_row(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the row with the fewest seconds when split; the first of equals."""
    return min(rows, key=lambda row: float(row["split_seconds"]))


def recommend(rows: Sequence[Mapping[str, Any]], sampler: str) -> list[Recommendation]:
    """Return what to do for each number of parts, the fewest parts first.

    Args:
        rows: Of the table.
        sampler: Whose rows count: the one that the training uses.
    """
    mine = [row for row in rows if row["sampler"] == sampler]
    found = []
    for parts in sorted({int(row["parts"]) for row in mine}):
        best = best_row([row for row in mine if row["parts"] == parts])
        gain = float(best["dp_seconds"]) / float(best["split_seconds"])
        way = "split parallel" if gain > 1 + CLOSE and parts > 1 else "data parallel"
        found.append(Recommendation(way, parts, str(best["partitioner"]), sampler, gain))
    return found


def fastest(rows: Sequence[Mapping[str, Any]], sampler: str) -> Recommendation:
    """Return the way and number of parts with the fewest predicted seconds.

    More parts have to earn their keep: of those within a few percent of the fastest, the fewest are taken.
    """
    each = recommend(rows, sampler)
    seconds = []
    for one in each:
        row = best_row([r for r in rows if r["sampler"] == sampler and r["parts"] == one.parts])
        split = one.way == "split parallel"
        seconds.append(float(row["split_seconds"] if split else row["dp_seconds"]))
    least = min(seconds)
    return next(one for one, took in zip(each, seconds, strict=True) if took <= least * (1 + CLOSE))
