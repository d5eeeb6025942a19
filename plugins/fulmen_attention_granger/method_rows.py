"""Rows of the table ``methods``: what every method scores on the same recordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from fulmen_attention_granger.opponents.result import OpponentResult
from fulmen_attention_granger.scoring import auprc, auroc, benjamini_hochberg, selection

if TYPE_CHECKING:
    import pandas as pd

STRONGEST = 3  # pairs that are named


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
    q_values = _q_values(result)
    chosen = None if q_values is None else q_values <= q
    return method_row(result.method, result.test, result.score, chosen, graph, result.seconds, result.note)


def found_row(result: OpponentResult, names: Sequence[str], q: float) -> dict[str, Any]:
    """Say what an opponent finds where no truth is known: how many edges at the rate ``q``, the strongest."""
    pairs, q_values = pair_rows(result, names), _q_values(result)
    strongest = pairs.nlargest(STRONGEST, "score")
    return {
        "method": result.method,
        "edges": float("nan") if q_values is None else float((q_values <= q).sum()),
        "strongest": ", ".join(f"{row.source} to {row.target}" for row in strongest.itertuples()) or "-",
        "lags": result.lags,
        "seconds": result.seconds,
        "note": result.note,
    }


def pair_rows(result: OpponentResult, names: Sequence[str]) -> pd.DataFrame:
    """Return a row for each ordered pair: method, source, target, score, p and q value (NaN without)."""
    import pandas as pd

    columns = ["method", "source", "target", "score", "p_value", "q_value"]
    if result.score is None:
        return pd.DataFrame(columns=columns)
    target, source = np.nonzero(~np.eye(len(names), dtype=bool))
    names_of, q_values = np.array(names, dtype=object), _q_values(result)
    nothing = np.full(len(target), np.nan)
    values = (
        result.method,
        names_of[source],
        names_of[target],
        result.score[target, source],
        nothing if result.p_values is None else result.p_values[target, source],
        nothing if q_values is None else q_values[target, source],
    )
    return pd.DataFrame(dict(zip(columns, values, strict=True)))


def _q_values(result: OpponentResult) -> np.ndarray | None:
    """Return Benjamini and Hochberg's q values, 1 on the diagonal; None where there are no p values."""
    if result.p_values is None:
        return None
    return np.asarray(np.nan_to_num(benjamini_hochberg(result.p_values), nan=1.0))
