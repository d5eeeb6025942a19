"""How far a score could have come out otherwise: intervals over pairs, and over networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Score = Callable[[np.ndarray, np.ndarray], float]


def over_targets(
    score: np.ndarray, graph: np.ndarray, measure: Score, seed: int = 0, draws: int = 500, level: float = 0.95
) -> tuple[float, float]:
    """Return a bootstrap interval of a measure on one network, its targets drawn with replacement.

    Targets and not pairs: the scores of a target's sources come from one regression, hence are not
    independent of each other.

    Args:
        score: float, shape (targets, sources).
        graph: bool, the same shape.
        measure: ``auroc`` or ``auprc`` of two vectors of pairs; see ``on_pairs``.
        seed: Of the draws.
        draws: How many, >= 100.
        level: Of the interval, above 0, below 1.

    Returns:
        Lower and upper bound; NaN both where fewer than half of the draws hold edges and other pairs.
    """
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, len(graph)])))
    off = ~np.eye(len(graph), dtype=bool)
    values = []
    for _ in range(draws):
        rows = generator.integers(0, len(graph), len(graph))
        mask = off[rows]
        values.append(measure(score[rows][mask], graph[rows][mask].astype(bool)))
    found = np.array([value for value in values if np.isfinite(value)])
    if len(found) < draws / 2:
        return float("nan"), float("nan")
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def on_pairs(measure: Callable[[np.ndarray, np.ndarray, bool], float]) -> Score:
    """Turn a measure of matrices (``scoring.auroc``) into one of vectors of pairs."""
    return lambda score, true: measure(score[:, None], true[:, None], True)


def over_networks(values: Sequence[float], level: float = 0.95) -> tuple[float, float, float, float]:
    """Return mean, lower and upper bound of the mean (Student's t), and the worst of some networks' scores.

    The bounds are NaN for fewer than two networks.
    """
    from scipy import stats

    found = np.asarray(values, dtype=np.float64)
    mean = float(found.mean())
    if len(found) < 2:
        return mean, float("nan"), float("nan"), float(found.min())
    half = float(stats.t.ppf((1 + level) / 2, len(found) - 1) * found.std(ddof=1) / np.sqrt(len(found)))
    return mean, mean - half, mean + half, float(found.min())
