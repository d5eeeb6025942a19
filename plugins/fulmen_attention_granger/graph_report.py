"""The report of an estimated graph: tables, arrays, figures, and what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import fulmen
from fulmen_attention_granger import graph_charts, score_charts
from fulmen_attention_granger.choice import member_name
from fulmen_attention_granger.edges import COLUMNS, tigramite_arrays
from fulmen_attention_granger.estimate import Estimate, EstimateOptions
from fulmen_attention_granger.recordings import Recordings
from fulmen_attention_granger.time_varying import smoothed

MOST_PAIRS_OVER_TIME = 40


def report_of(
    result: Estimate, recordings: Recordings, rows: list[dict[str, Any]], options: EstimateOptions
) -> fulmen.Report:
    """Return the report of an estimate.

    Args:
        result: Of the recordings.
        recordings: With names, and the truth where it is known.
        rows: Of the table `edges`.
        options: What was asked for.
    """
    names, found = recordings.names, result.significance
    selected = None if found is None else found.selected
    shown = {options.score: result.score, "attention": result.scores["attention"]}
    figures = {
        "matrix": graph_charts.matrices(shown, names, recordings.graph, selected),
        "lags": graph_charts.lags(result.lag_score, rows, names, recordings.interval),
    }
    arrays = {
        "score": result.score,
        "attention": result.scores["attention"],
        "lag_score": result.lag_score,
        "effect": result.effect,
        "residual_correlation": result.residual_correlation,
        **{f"score_{name}": score for name, score in result.scores.items()},
        **{f"tigramite_{name}": array for name, array in tigramite_arrays(result).items()},
    }
    chosen = [row for row in rows if row["selected"]]
    scalars = {
        "variables": float(len(names)),
        "samples": float(recordings.samples),
        "missing": float(recordings.missing),
        "lags": float(result.members.lags),
        "explained": float(result.explained.mean()),
        "flagged": float(sum(bool(row["flag"]) for row in rows)),
    }
    if found is not None:
        figures["network"] = graph_charts.network(rows, names)
        figures["phantoms"] = score_charts.phantoms(result)
        arrays |= {"p_value": found.p_values, "q_value": found.q_values, "selected": found.selected}
        scalars |= {
            "selected": float(len(chosen)),
            "selected_and_flagged": float(sum(bool(row["flag"]) for row in chosen)),
        }
    return fulmen.Report(
        title=f"Who drives whom: {recordings.source}",
        scalars=scalars,
        tables={"edges": pd.DataFrame(rows, columns=list(COLUMNS)), "choices": _choices(result)},
        figures=figures,
        arrays=arrays,
        findings=_findings(result, recordings, rows, chosen, options.q),
    )


def _choices(result: Estimate) -> pd.DataFrame:
    """Return held-out losses of what was tried; what was given has none."""
    lags, member = result.members.lags, member_name(result.members.nonlinear, result.members.variance)
    members = result.losses or {member: float("nan")}
    counts = (
        {lags: float("nan")} if result.lag_choice is None else dict(enumerate(result.lag_choice.losses, 1))
    )
    rows = [("member", name, loss, name == member) for name, loss in members.items()]
    rows += [("lags", str(count), loss, count == lags) for count, loss in counts.items()]
    return pd.DataFrame(rows, columns=["choice", "value", "held_out_loss", "chosen"])


def _findings(
    result: Estimate,
    recordings: Recordings,
    rows: list[dict[str, Any]],
    chosen: list[dict[str, Any]],
    q: float,
) -> list[str]:
    pairs = len(rows)
    best = ", ".join(f"{row['source']} to {row['target']}" for row in (chosen or rows)[:5])
    if result.significance is None:
        findings = [f"{pairs} pairs ranked, without a test; highest: {best}."]
    elif chosen:
        findings = [
            f"{len(chosen)} of {pairs} pairs selected, of which a share of q = {q:g} may be false. "
            f"Strongest: {best}."
        ]
    else:
        findings = [
            f"Nothing found: none of {pairs} pairs stands out against phantom sources at q = {q:g}. The "
            "ranking below is then mostly chance."
        ]
    flagged = [row for row in chosen if row["flag"]]
    if flagged:
        first = ", ".join(f"{row['source']} to {row['target']} ({row['flag']})" for row in flagged[:3])
        findings.append(
            f"{len(flagged)} selected {'pair is' if len(flagged) == 1 else 'pairs are'} flagged: something "
            f"that was not recorded may drive both ({first}). No test of forecasts can settle that."
        )
    everywhere = sum(bool(row["flag"]) for row in rows)
    if everywhere > pairs / 2:
        findings.append(
            f"{everywhere} of all {pairs} pairs are flagged: errors go together everywhere, as under a "
            "common input, slow sampling, or dense and noiseless dynamics. A single flag says little here."
        )
    unstable = [row for row in chosen if row["stability"] == 0]
    if unstable:
        first = ", ".join(f"{row['source']} to {row['target']}" for row in unstable[:3])
        findings.append(
            f"{len(unstable)} of the selected stand above 95 % of the phantoms in no fold ({first}): all "
            "folds together select them, and they are the least certain."
        )
    nonlinear, variance = result.members.nonlinear, result.members.variance
    kind = "nonlinear" if nonlinear else "linear"
    findings.append(
        f"Forecasts: {kind}{' with a variance head' if variance else ''}, {result.members.lags} lags, "
        f"held-out R2 {result.explained.mean():.2f} (worst {result.explained.min():.2f})."
    )
    if variance and result.explained.min() < 0:
        findings.append(
            "A variance head leaves samples of high variance (spikes) to themselves: R2 says little about "
            "such a graph, the likelihood decides."
        )
    if recordings.missing:
        gaps = np.isnan(np.concatenate(recordings.trials)).mean(axis=0)
        findings.append(
            f"{recordings.missing:.1%} of the values are missing and were masked; most of "
            f"{recordings.names[gaps.argmax()]}: {gaps.max():.1%}."
        )
    findings.append(
        "An edge says that the source's past helps to forecast the target beyond all other recorded pasts; "
        "causes that were not recorded, or act within one sampling step, can look the same."
    )
    return findings


def add_time(
    report: fulmen.Report, result: Estimate, recordings: Recordings, rows: list[dict[str, Any]]
) -> None:
    """Add how strong the selected pairs, or the highest ranked, are over time."""
    series = smoothed(result.blocks, result.rows, result.null_blocks, result.null_rows)
    index = {name: place for place, name in enumerate(recordings.names)}
    shown = [row for row in rows if row["selected"]] or rows
    shown = shown[:MOST_PAIRS_OVER_TIME]
    pairs = [(index[row["target"]], index[row["source"]]) for row in shown]
    report.arrays["strength_over_time"] = series.strength
    report.arrays["middle_rows"] = series.middles
    report.arrays["middle_trials"] = result.rows[:, 0]
    if series.envelope is not None:
        report.arrays["envelope_over_time"] = series.envelope
    report.figures["over_time"] = graph_charts.over_time(
        np.stack([series.strength[:, target, source] for target, source in pairs], 1),
        series.envelope,
        [f"{row['source']} to {row['target']}" for row in shown],
        result.rows,
        recordings.interval,
    )
