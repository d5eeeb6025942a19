"""How right a graph is, beside classical tests on the same recordings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

import fulmen
from fulmen_attention_granger import score_charts
from fulmen_attention_granger.estimate import Estimate, EstimateOptions
from fulmen_attention_granger.method_rows import MethodRow, method_row, opponent_row
from fulmen_attention_granger.opponents.capped import run_capped
from fulmen_attention_granger.recordings import RecordingError, Recordings
from fulmen_attention_granger.score_intervals import Intervals, over_targets

NAME = "attention_granger"  # in the table
TESTS = {  # what a read-out takes away, by its name; raw attention and gradients take nothing away
    "contribution": "held-out knock-out of the source's history",
    "loss": "held-out likelihood ratio of the source's history",
    "clark_west": "Clark-West test of held-out forecasts without the source's history",
    "refitted": "held-out t value of what the source's history adds to a refit",
    "attention": "cross-attention as it stands",
    "weighted_attention": "cross-attention by the size of what is attended to",
    "gradient": "gradient of forecasts by the source's history",
}


def compare(
    report: fulmen.Report,
    result: Estimate,
    recordings: Recordings,
    opponents: Sequence[str],
    seconds_each: float,
    options: EstimateOptions,
) -> None:
    """Add how right the graph is beside classical tests, the truth being known.

    Args:
        report: Is added to.
        result: The graph.
        recordings: With their truth.
        opponents: Names of the catalogue.
        seconds_each: Wall-clock time that each of them may take.
        options: What was asked for; opponents' choices of edges tolerate as many false discoveries.
    """
    graph = recordings.graph
    assert graph is not None
    chosen = None if result.significance is None else result.significance.selected
    seconds = result.seconds  # of the pieces, wherever and whenever they ran
    rows: list[MethodRow] = [
        method_row(NAME, test_of(result, options), result.score, chosen, graph, seconds),
        method_row(
            "raw_attention",
            TESTS["attention"],
            result.scores["attention"],
            None,
            graph,
            float("nan"),
            "read from the same networks",
        ),
    ]
    scores = {NAME: result.score, "raw_attention": result.scores["attention"]}
    for name in fulmen.progress(opponents, "classical tests"):
        try:
            opponent = run_capped(name, recordings.trials, None, seconds_each)
        except RecordingError as error:
            report.findings.append(f"{name} was left out: {error}")
            continue
        rows.append(opponent_row(opponent, graph, options.q))
        if opponent.score is not None:
            scores[name] = opponent.score
    report.tables["methods"] = pd.DataFrame([dict(row) for row in rows])
    mask = ~np.eye(len(graph), dtype=bool)
    if 0 < int(graph[mask].sum()) < int(mask.sum()):
        intervals = {name: over_targets(score, graph, options.seed) for name, score in scores.items()}
        report.figures["curves"] = score_charts.curves(scores, graph, intervals)
        report.tables["intervals"] = _intervals(intervals)
        for row in rows:
            report.scalars[f"auroc/{row['method']}"] = row["auroc"]
            report.scalars[f"auprc/{row['method']}"] = row["auprc"]
    ours = rows[0]
    if not 0 < int(graph[mask].sum()) < int(mask.sum()):
        kind = "no edge" if not graph[mask].any() else "every edge there can be"
        report.findings.insert(1, f"The truth has {kind}: there is nothing to rank, and no AUROC.")
        return
    report.findings.insert(
        1,
        f"Against the truth: AUROC {ours['auroc']:.3f}, AUPRC {ours['auprc']:.3f} off the diagonal; "
        + "; ".join(f"{row['method']} {row['auroc']:.3f}, {row['auprc']:.3f}" for row in rows[1:])
        + ".",
    )


def test_of(result: Estimate, options: EstimateOptions) -> str:
    """Return what ranks the pairs and what it conditions on, for the table of methods."""
    kind = "nonlinear" if result.members.nonlinear else "linear"
    words = f"{TESTS[options.score]}, given the histories of all variables ({kind})"
    if options.significance and options.test != options.score:
        words += f"; edges chosen by the {TESTS[options.test]}, against phantoms"
    return words


def _intervals(intervals: dict[str, Intervals]) -> pd.DataFrame:
    """Return 95 % bootstrap intervals over targets, a row a method."""
    return pd.DataFrame(
        [
            {
                "method": name, "auroc_low": found.auroc[0], "auroc_high": found.auroc[1],
                "auprc_low": found.auprc[0], "auprc_high": found.auprc[1],
            }
            for name, found in intervals.items()
        ]
    )  # fmt: skip
