"""The graph as rows, as GraphML and in tigramite's arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from fulmen_attention_granger.estimate import Estimate

COLUMNS = (
    "source", "target", "lag", "score", "sign", "effect",
    "p_value", "q_value", "selected", "stability", "flag",
)  # fmt: skip


def edge_rows(result: Estimate, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row per ordered pair of different variables, the highest scores first.

    ``score`` is the read-out that ranks; ``effect`` a slope in z-scores per z-score and ``sign`` its sign;
    p and q values are NaN and nothing is selected where no significance was asked for.
    """
    rows = []
    for target, source in ranked(result.score):
        found = result.significance
        rows.append(
            {
                "source": names[source],
                "target": names[target],
                "lag": int(result.lag[target, source]),
                "score": float(result.score[target, source]),
                "sign": int(np.sign(result.effect[target, source])),
                "effect": float(result.effect[target, source]),
                "p_value": float("nan") if found is None else float(found.p_values[target, source]),
                "q_value": float("nan") if found is None else float(found.q_values[target, source]),
                "selected": False if found is None else bool(found.selected[target, source]),
                "stability": float(result.stability[target, source]),
                "flag": str(result.flags[target, source]),
            }
        )
    return rows


def graphml(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> str:
    """Return the selected edges as GraphML, which networkx, Gephi and Cytoscape read.

    Args:
        rows: From `edge_rows`.
        names: All variables, those without edges too.
    """
    kinds = {"lag": "int", "score": "double", "sign": "int", "effect": "double", "p_value": "double",
             "q_value": "double", "stability": "double", "flag": "string"}  # fmt: skip
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
    ]
    lines += [f'<key id="{k}" for="edge" attr.name="{k}" attr.type="{t}"/>' for k, t in kinds.items()]
    lines += ['<graph edgedefault="directed">', *(f"<node id={quoteattr(name)}/>" for name in names)]
    for row in rows:
        if row["selected"]:
            data = "".join(f'<data key="{k}">{row[k]}</data>' for k in kinds)
            ends = f"source={quoteattr(row['source'])} target={quoteattr(row['target'])}"
            lines.append(f"<edge {ends}>{data}</edge>")
    return "\n".join([*lines, "</graph>", "</graphml>", ""])


def tigramite_arrays(result: Estimate) -> dict[str, np.ndarray]:
    """Return ``val_matrix``, ``p_matrix`` and ``graph`` as tigramite has them: [source, target, lag].

    A selected pair has an arrow at its strongest lag; values are signed roots of single-lag
    contributions. Lag 0 is empty: nothing is said about the same time.
    """
    targets, sources, lags = result.lag_score.shape
    values = np.zeros((sources, targets, lags + 1))
    signed = np.sqrt(np.maximum(result.lag_score, 0)) * np.sign(result.effect)[:, :, None]
    values[:, :, 1:] = signed.transpose(1, 0, 2)
    p_values, graph = np.ones(values.shape), np.full(values.shape, "", dtype="<U3")
    if result.significance is not None:
        for target, source in np.ndindex(targets, sources):
            lag = result.lag[target, source]
            p_values[source, target, lag] = result.significance.p_values[target, source]
            if result.significance.selected[target, source]:
                graph[source, target, lag] = "-->"
    return {"val_matrix": values, "p_matrix": p_values, "graph": graph}


def ranked(score: np.ndarray) -> list[tuple[int, int]]:
    """Return all pairs (target, source) of different variables, the highest scores first."""
    n = len(score)
    pairs = [(target, source) for target in range(n) for source in range(n) if target != source]
    return sorted(pairs, key=lambda pair: -score[pair])
