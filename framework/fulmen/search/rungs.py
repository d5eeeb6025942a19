"""Rungs: after some epochs, a candidate goes on only if it is among the best that have come so far.

The stopping variant of asynchronous successive halving (Li et al., "A system for massively parallel
hyperparameter tuning", MLSys 2020, section 3): nobody waits for a rung to fill; each candidate is measured
against those that were there before it was asked for. What it is measured against is written down with it, so
that a search that is resumed stops the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from fulmen.searching import Candidate, Evaluation

FEW = 4  # with fewer at a rung, all go on
LIMITS = "limits"  # in a candidate's note: epoch to the worst value that goes on


def at_rung(epoch: int) -> str:
    """Return the name under which an evaluation has the metric after an epoch."""
    return f"rung/{epoch}"


def limits(
    evaluations: Sequence[Evaluation], rungs: Sequence[int], keep: float, mode: Literal["max", "min"]
) -> dict[str, float]:
    """Return the worst value that goes on, of each rung that enough candidates have reached.

    Args:
        evaluations: All so far, those stopped at a rung among them.
        rungs: Epochs, from 1.
        keep: The share that goes on.
        mode: Whether much or little of the metric is good.
    """
    found = {}
    for epoch in rungs:
        reached = [one.values[at_rung(epoch)] for one in evaluations if at_rung(epoch) in one.values]
        good = sorted((v for v in reached if math.isfinite(v)), reverse=mode == "max")
        if len(good) >= FEW:
            found[str(epoch)] = good[min(max(1, math.ceil(keep * len(reached))), len(good)) - 1]
    return found


def with_limits(candidate: Candidate, found: Mapping[str, float]) -> Candidate:
    """Return a candidate with the limits that it is held to."""
    return replace(candidate, note={**candidate.note, LIMITS: dict(found)}) if found else candidate
