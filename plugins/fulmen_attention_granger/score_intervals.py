"""How far scores on one network could have come out otherwise: a bootstrap over its targets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fulmen_attention_granger.scoring import precision_recall, roc

Bounds = tuple[float, float]  # lower and upper; NaN both where too few draws say anything
GRID = np.linspace(0.0, 1.0, 101)


class Intervals(NamedTuple):
    """What a ranking could have scored, had the network had other targets of the same kind.

    Attributes:
        auroc: Bounds of the area under ROC.
        auprc: Bounds of the average precision.
        roc: (2, points): bounds of the true-positive rate at the false-positive rates of ``GRID``.
        precision: (2, points): bounds of the precision at the recalls of ``GRID``.
    """

    auroc: Bounds
    auprc: Bounds
    roc: np.ndarray
    precision: np.ndarray


def over_targets(
    score: np.ndarray, graph: np.ndarray, seed: int = 0, draws: int = 200, level: float = 0.95
) -> Intervals:
    """Return bootstrap intervals on one network, its targets drawn with replacement, off the diagonal.

    Targets and not pairs: the scores of a target's sources come from one regression, hence are not
    independent of each other.

    Args:
        score: float, shape (targets, sources).
        graph: bool, the same shape.
        seed: Of the draws.
        draws: How many, at least 100.
        level: Of the intervals, above 0, below 1.
    """
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, len(graph)])))
    off = ~np.eye(len(graph), dtype=bool)
    areas, rates, precisions = [], [], []
    for _ in range(draws):
        drawn = generator.integers(0, len(graph), len(graph))
        pairs, true = score[drawn][off[drawn]][:, None], graph[drawn][off[drawn]][:, None].astype(bool)
        if true.all() or not true.any():
            continue
        first, second = roc(pairs, true, diagonal=True), precision_recall(pairs, true, diagonal=True)
        areas.append((first.area, second.area))
        rates.append(np.interp(GRID, first.x, first.y))
        at = np.searchsorted(second.x, GRID - 1e-12)
        precisions.append(second.y[np.minimum(at, len(second.y) - 1)])
    if len(areas) < draws / 2:
        nothing = np.full((2, len(GRID)), np.nan)
        return Intervals((np.nan, np.nan), (np.nan, np.nan), nothing, nothing)
    ends = ((1 - level) / 2, (1 + level) / 2)
    low, high = np.quantile(areas, ends, axis=0)
    return Intervals(
        (float(low[0]), float(high[0])),
        (float(low[1]), float(high[1])),
        np.quantile(rates, ends, axis=0),
        np.quantile(precisions, ends, axis=0),
    )
