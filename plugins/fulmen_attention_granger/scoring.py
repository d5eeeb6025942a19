"""How right a ranking or a choice of edges is, when the truth is known.

Every function leaves the diagonal out unless it is told otherwise: a variable's own past is no edge here,
and both ways of counting it flatter. Papers that score it as true negatives (a spiking network's truth
and score are 0 there) or as true positives (Lorenz-96) get higher figures; ``diagonal=True`` gives theirs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Curve(NamedTuple):
    """Points of a curve, float64, shape (points,) each, and the area beneath it."""

    x: np.ndarray
    y: np.ndarray
    area: float


class Selection(NamedTuple):
    """What a choice of edges is worth. ``fdr`` is 0 where nothing was chosen; ``power`` NaN without edges."""

    chosen: int
    true: int
    false: int
    missed: int
    fdr: float
    power: float
    shd: int


def pairs(graph: np.ndarray, diagonal: bool = False) -> np.ndarray:
    """Return the mask of the pairs that are scored, bool, shape of ``graph``."""
    return np.ones(graph.shape, dtype=bool) if diagonal else ~np.eye(len(graph), dtype=bool)


def auroc(score: np.ndarray, graph: np.ndarray, diagonal: bool = False) -> float:
    """Return the probability that a true edge outranks a pair without one; ties count half.

    Args:
        score: float, shape (targets, sources), larger for likelier edges; no NaN among scored pairs.
        graph: bool or 0/1, the same shape.
        diagonal: Whether own past counts too.

    Returns:
        0 to 1; NaN where the graph has no edge or nothing but edges.
    """
    scored, true = _scored(score, graph, diagonal)
    edges, others = int(true.sum()), int((~true).sum())
    if not edges or not others:
        return float("nan")
    ranks = _mid_ranks(scored)
    return float((ranks[true].sum() - edges * (edges + 1) / 2) / (edges * others))


def auprc(score: np.ndarray, graph: np.ndarray, diagonal: bool = False) -> float:
    """Return the average precision over the true edges: the area under precision and recall, as steps.

    Pairs of equal score are taken together. NaN where the graph has no edge.
    """
    curve = precision_recall(score, graph, diagonal)
    return curve.area


def roc(score: np.ndarray, graph: np.ndarray, diagonal: bool = False) -> Curve:
    """Return false-positive rate (x), true-positive rate (y) and their area, from (0, 0) to (1, 1)."""
    scored, true = _scored(score, graph, diagonal)
    hits, alarms = _cumulated(scored, true)
    edges, others = max(1, int(true.sum())), max(1, int((~true).sum()))
    return Curve(np.r_[0.0, alarms / others], np.r_[0.0, hits / edges], auroc(score, graph, diagonal))


def precision_recall(score: np.ndarray, graph: np.ndarray, diagonal: bool = False) -> Curve:
    """Return recall (x), precision (y) and the average precision."""
    scored, true = _scored(score, graph, diagonal)
    edges = int(true.sum())
    if not edges:
        return Curve(np.empty(0), np.empty(0), float("nan"))
    hits, alarms = _cumulated(scored, true)
    recall, precision = hits / edges, hits / (hits + alarms)
    return Curve(recall, precision, float((np.diff(recall, prepend=0.0) * precision).sum()))


def selection(chosen: np.ndarray, graph: np.ndarray) -> Selection:
    """Count what a choice of edges got right, off the diagonal.

    Args:
        chosen: bool, shape (targets, sources).
        graph: The same shape.

    Returns:
        The counts; ``shd`` is the structural Hamming distance over ordered pairs: edges to add or to take
        away until the choice is the truth (an edge that points the wrong way counts twice).
    """
    mask = pairs(graph)
    picked, true = chosen[mask].astype(bool), graph[mask].astype(bool)
    hits = int((picked & true).sum())
    false, missed = int((picked & ~true).sum()), int((~picked & true).sum())
    return Selection(
        chosen=int(picked.sum()),
        true=hits,
        false=false,
        missed=missed,
        fdr=false / max(1, int(picked.sum())),
        power=hits / int(true.sum()) if true.any() else float("nan"),
        shd=false + missed,
    )


def false_positive_rate(p_values: np.ndarray, graph: np.ndarray, level: float = 0.05) -> float:
    """Return the share of pairs without an edge whose p value is at most ``level``; NaN if there are none."""
    p, true = _scored(p_values, graph, diagonal=False)
    return float((p[~true] <= level).mean()) if (~true).any() else float("nan")


def benjamini_hochberg(p_values: np.ndarray) -> np.ndarray:
    """Return q values: the smallest false-discovery rate at which each pair would be chosen.

    Args:
        p_values: float, shape (targets, sources), 0 to 1; the diagonal is not looked at.

    Returns:
        float64, the same shape; NaN on the diagonal.

    Source: Benjamini and Hochberg, J. R. Statist. Soc. B 57:289 (1995).
    """
    mask = pairs(p_values)
    p = p_values[mask]
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    out = np.full(p_values.shape, np.nan)
    out[mask] = q
    return out


def _scored(score: np.ndarray, graph: np.ndarray, diagonal: bool) -> tuple[np.ndarray, np.ndarray]:
    if score.shape != graph.shape:
        raise ValueError(f"the score has shape {score.shape}, the graph {graph.shape}: expected the same")
    mask = pairs(graph, diagonal)
    scored = np.asarray(score, dtype=np.float64)[mask]
    if np.isnan(scored).any():
        raise ValueError(f"{int(np.isnan(scored).sum())} scored pairs are NaN: expected numbers")
    return scored, graph[mask].astype(bool)


def _mid_ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middle: np.ndarray = (ends - (counts - 1) / 2)[inverse]
    return middle


def _cumulated(scored: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count true and false pairs at or above each distinct score, from the largest down."""
    order = np.argsort(-scored, kind="stable")
    last_of_ties = np.r_[np.diff(scored[order]) != 0, True]
    return np.cumsum(true[order])[last_of_ties], np.cumsum(~true[order])[last_of_ties]
