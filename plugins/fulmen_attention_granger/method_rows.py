"""Rows of the table ``methods``: what every method scores on the same recordings."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from fulmen_attention_granger.opponents.result import OpponentResult
from fulmen_attention_granger.scoring import auprc, auroc, benjamini_hochberg, selection


class MethodRow(TypedDict):
    """One method. NaN where it has no such figure: no p values, not finished, a truth without edges."""

    method: str
    test: str
    auroc: float
    auprc: float
    shd: float
    fdr: float
    power: float
    auroc_diagonal: float
    seconds: float
    note: str


def method_row(
    method: str,
    test: str,
    score: np.ndarray | None,
    chosen: np.ndarray | None,
    graph: np.ndarray,
    seconds: float,
    note: str = "",
) -> MethodRow:
    """Score one method off the diagonal; ``auroc_diagonal`` counts it, as the paper does.

    Args:
        method: Its name.
        test: What tests a pair, and what it conditions on.
        score: float, (targets, sources), larger for likelier edges; None: not finished.
        chosen: bool, the same shape; None: the method chooses none.
        graph: The truth, the same shape.
        seconds: CPU time.
        note: Of what a reader should know.
    """
    nan = float("nan")
    made = None if chosen is None else selection(chosen, graph)
    return MethodRow(
        method=method,
        test=test,
        auroc=nan if score is None else auroc(score, graph),
        auprc=nan if score is None else auprc(score, graph),
        shd=nan if made is None else float(made.shd),
        fdr=nan if made is None else made.fdr,
        power=nan if made is None else made.power,
        auroc_diagonal=nan if score is None else auroc(score, graph, diagonal=True),
        seconds=seconds,
        note=note,
    )


def opponent_row(result: OpponentResult, graph: np.ndarray, q: float) -> MethodRow:
    """Score an opponent; its edges are those that Benjamini and Hochberg choose at the rate ``q``."""
    chosen = None
    if result.p_values is not None:
        chosen = np.nan_to_num(benjamini_hochberg(result.p_values), nan=1.0) <= q
    return method_row(result.method, result.test, result.score, chosen, graph, result.seconds, result.note)
