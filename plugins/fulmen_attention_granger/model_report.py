"""The report of a model that was trained with `fit`: read, not tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

import fulmen
from fulmen.errors import DataError
from fulmen_attention_granger import graph_charts
from fulmen_attention_granger.edges import COLUMNS, ranked
from fulmen_attention_granger.forecaster_base import ForecasterBase
from fulmen_attention_granger.legend import legend
from fulmen_attention_granger.method_rows import method_row
from fulmen_attention_granger.pieces import device_for
from fulmen_attention_granger.recordings import Recordings
from fulmen_attention_granger.windows import standardised


def report_of_model(model: ForecasterBase, recordings: Recordings) -> fulmen.Report:
    """Return what a model's attention says of recordings.

    Raises:
        DataError: no trial is long enough for one window of the model.
        ConfigError: the model is of another number of variables.
    """
    model.require_variables(recordings.variables)
    name = type(model).__name__
    trials = standardised(recordings.trials)
    if max(len(trial) for trial in trials) <= model.context:
        raise DataError(
            f"{recordings.source}: the longest trial has {max(map(len, trials))} rows; {model.context + 1} "
            "are needed for one window of the model: record longer."
        )
    place = model.device
    try:
        scores = model.to(device_for(place)).pair_scores(trials)
    finally:
        model.to(place)
    for score in scores.values():
        np.fill_diagonal(score, 0.0)
    ranking = "contribution" if "contribution" in scores else "attention"
    shown = {ranking: scores[ranking], "attention": scores["attention"]}
    report = fulmen.Report(
        title=f"Who drives whom, as {name} has it: {recordings.source}",
        tables={"edges": pd.DataFrame(_untested(scores[ranking], recordings.names), columns=list(COLUMNS))},
        figures={"matrix": graph_charts.matrices(shown, recordings.names, recordings.graph)},
        arrays={
            "score": scores[ranking],
            "attention": scores["attention"],
            **{f"score_{name}": score for name, score in scores.items()},
        },
        findings=[
            f"Pairs ranked by {ranking} of a trained {name}; nothing was tested. Without a model the "
            "analyzer trains its own beside phantoms and gives lags, signs, p and q values; its options are "
            "of no use here."
        ],
    )
    if recordings.graph is not None:
        table = [
            method_row(key, f"{key} of {name}", score, None, recordings.graph, float("nan"))
            for key, score in scores.items()
        ]
        report.tables["methods"] = pd.DataFrame([dict(row) for row in table])
        report.scalars |= {f"auroc/{row['method']}": row["auroc"] for row in table}
    report.tables["legend"] = legend(report.tables)
    return report


def _untested(score: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return rows of the table ``edges`` of which only the ranking is known."""
    nothing = dict.fromkeys(COLUMNS, float("nan")) | {"selected": False, "flag": ""}
    return [
        nothing | {"source": names[source], "target": names[target], "score": float(score[target, source])}
        for target, source in ranked(score)
    ]
