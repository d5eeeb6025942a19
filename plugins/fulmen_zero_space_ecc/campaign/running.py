"""Trials until the interval is narrow enough: which to run, and what came out.

A cell is one scheme at one rate. Its trials are numbered from 0, and trial ``i`` meets the same faults
in every scheme. Trials run in pieces of a few, each a plain task; a cell stops when the interval of its
mean accuracy is narrow enough, which is looked at between rounds alone, so that a campaign that is
resumed, or runs on more workers, stops where it would have.

Source of the rule: Chow and Robbins, "On the Asymptotic Theory of Fixed-Width Sequential Confidence
Intervals for the Mean", Ann. Math. Stat. 36 (1965).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fulmen_zero_space_ecc.campaign.intervals import Interval, mean_interval
from fulmen_zero_space_ecc.campaign.trial import Outcome, Workbench

Piece = dict[str, Any]  # {"scheme", "rate", "first", "count"}: plain data
RunPieces = Callable[[Sequence[Piece], int], Sequence[Sequence[Sequence[Any]]]]

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Effort:
    """How long to go on.

    Attributes:
        trials: At most so many a cell.
        min_trials: At least so many before stopping early.
        half_width: Stop when half of the interval is at most this; None: run all trials.
        confidence: Of the intervals.
        piece: Trials a piece of work.
    """

    trials: int = 200
    min_trials: int = 30
    half_width: float | None = None
    confidence: float = 0.95
    piece: int = 10

    def rounds(self) -> list[range]:
        """Return which trials each round adds."""
        if self.half_width is None:
            return [range(self.trials)]
        ends, end = [], min(self.min_trials, self.trials)
        while end < self.trials:
            ends.append(end)
            # Fewer looks further on: each look at an interval is another chance to stop too early.
            end = min(self.trials, end + max(self.piece, end // 4))
        ends.append(self.trials)
        return [range(start, stop) for start, stop in zip([0, *ends[:-1]], ends, strict=True)]


@dataclass(frozen=True)
class Cell:
    """One scheme at one rate.

    Attributes:
        scheme: Its label.
        rate: The share of bits hit.
        outcomes: One per trial, in order.
    """

    scheme: str
    rate: float
    outcomes: list[Outcome]

    @property
    def accuracies(self) -> list[float]:
        """One per trial."""
        return [outcome.accuracy for outcome in self.outcomes]

    @property
    def accuracy(self) -> float:
        """The mean over the trials."""
        return mean_interval(self.accuracies).mean

    def interval(self, confidence: float) -> Interval:
        """Return the interval of the mean accuracy, not beyond 0 and 1."""
        found = mean_interval(self.accuracies, confidence)
        return Interval(found.mean, max(0.0, found.low), min(1.0, found.high))

    def mean(self, field: str) -> float:
        """Return the mean over the trials of a field of their outcomes."""
        return float(np.mean([getattr(outcome, field) for outcome in self.outcomes]))

    def quantiles(self) -> list[float]:
        """Return the `QUANTILES` of the accuracy."""
        return [float(q) for q in np.quantile(self.accuracies, QUANTILES)]


def run_campaign(
    schemes: Sequence[str], rates: Sequence[float], effort: Effort, run: RunPieces
) -> list[Cell]:
    """Return all cells, each with as many trials as it took.

    Args:
        schemes: Labels.
        rates: In [0, 1].
        effort: How long to go on.
        run: Runs pieces of work, given with the number of the round, and returns for each piece its
            outcomes in the order of their trials, as plain data.
    """
    cells = {(scheme, rate): Cell(scheme, rate, []) for scheme in schemes for rate in rates}
    for number, trials in enumerate(effort.rounds()):
        going_on = [cell for cell in cells.values() if not _is_done(cell, effort)]
        pieces: list[Piece] = [
            {"scheme": cell.scheme, "rate": cell.rate, "first": first, "count": count}
            for cell in going_on
            for first, count in _cut(trials, effort.piece)
        ]
        if not pieces:
            break
        for piece, rows in zip(pieces, run(pieces, number), strict=True):
            cells[(piece["scheme"], piece["rate"])].outcomes.extend(Outcome(*row) for row in rows)
    return list(cells.values())


def run_piece(bench: Workbench, piece: Piece) -> list[list[Any]]:
    """Run the trials of one piece and return their outcomes as plain data."""
    first = piece["first"]
    trials = range(first, first + piece["count"])
    return [bench.trial(piece["scheme"], piece["rate"], trial).plain() for trial in trials]


def difference(one: Cell, other: Cell, confidence: float) -> tuple[Interval, int]:
    """Return the interval of the mean difference in accuracy over the trials that both ran, and how many."""
    pairs = list(zip(one.accuracies, other.accuracies, strict=False))
    return mean_interval([a - b for a, b in pairs], confidence), len(pairs)


def _is_done(cell: Cell, effort: Effort) -> bool:
    if not cell.outcomes or effort.half_width is None:
        return False
    return mean_interval(cell.accuracies, effort.confidence).half_width <= effort.half_width


def _cut(trials: range, size: int) -> list[tuple[int, int]]:
    return [(first, min(size, trials.stop - first)) for first in range(trials.start, trials.stop, size)]
