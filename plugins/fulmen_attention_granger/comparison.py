"""How right a graph is, beside classical tests on the same recordings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

import fulmen
from fulmen_attention_granger import graph_charts
from fulmen_attention_granger.estimate import Estimate
from fulmen_attention_granger.method_rows import MethodRow, method_row, opponent_row
from fulmen_attention_granger.opponents.capped import run_capped
from fulmen_attention_granger.recordings import RecordingError, Recordings

NAME = "attention_granger"  # in the table
TEST = "held-out knock-out of the source's history, given the histories of all variables (nonlinear)"


def compare(
    report: fulmen.Report,
    result: Estimate,
    recordings: Recordings,
    opponents: Sequence[str],
    seconds_each: float,
    q: float,
) -> None:
    """Add how right the graph is beside classical tests, the truth being known.

    Args:
        report: Is added to.
        result: The graph.
        recordings: With their truth.
        opponents: Names of the catalogue.
        seconds_each: Wall-clock time that each of them may take.
        q: False discoveries that their choice of edges tolerates.
    """
    graph = recordings.graph
    assert graph is not None
    chosen = None if result.significance is None else result.significance.selected
    seconds = result.seconds  # of the pieces, wherever and whenever they ran
    rows: list[MethodRow] = [
        method_row(NAME, TEST, result.score, chosen, graph, seconds),
        method_row(
            "raw_attention",
            "cross-attention as it stands",
            result.scores["attention"],
            None,
            graph,
            seconds,
        ),
    ]
    scores = {NAME: result.score, "raw_attention": result.scores["attention"]}
    for name in fulmen.progress(opponents, "classical tests"):
        try:
            opponent = run_capped(name, recordings.trials, None, seconds_each)
        except RecordingError as error:
            report.findings.append(f"{name} was left out: {error}")
            continue
        rows.append(opponent_row(opponent, graph, q))
        if opponent.score is not None:
            scores[name] = opponent.score
    report.tables["methods"] = pd.DataFrame([dict(row) for row in rows])
    mask = ~np.eye(len(graph), dtype=bool)
    if 0 < int(graph[mask].sum()) < int(mask.sum()):
        report.figures["curves"] = graph_charts.curves(scores, graph)
    for row in rows:
        report.scalars[f"auroc/{row['method']}"] = row["auroc"]
        report.scalars[f"auprc/{row['method']}"] = row["auprc"]
    ours = rows[0]
    report.findings.insert(
        1,
        f"Against the truth: AUROC {ours['auroc']:.3f}, AUPRC {ours['auprc']:.3f} off the diagonal; "
        + "; ".join(f"{row['method']} {row['auroc']:.3f}, {row['auprc']:.3f}" for row in rows[1:])
        + ".",
    )
