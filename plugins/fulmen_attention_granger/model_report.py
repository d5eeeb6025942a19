"""The report of a model that was trained with `fit`: read, not tested."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import fulmen
from fulmen.errors import DataError
from fulmen_attention_granger.method_rows import method_row
from fulmen_attention_granger.pieces import device_for
from fulmen_attention_granger.recordings import Recordings
from fulmen_attention_granger.windows import standardised


def report_of_model(model: Any, recordings: Recordings) -> fulmen.Report:
    """Return what a model's attention says of recordings.

    Raises:
        DataError: no trial is long enough for one window of the model.
    """
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
    n = recordings.variables
    pairs = sorted(
        ((target, source) for target in range(n) for source in range(n) if target != source),
        key=lambda pair: -scores[ranking][pair],
    )
    rows = [
        {
            "source": recordings.names[source],
            "target": recordings.names[target],
            **{name: float(score[target, source]) for name, score in scores.items()},
        }
        for target, source in pairs
    ]
    report = fulmen.Report(
        title=f"Who drives whom, as {name} has it: {recordings.source}",
        tables={"edges": pd.DataFrame(rows)},
        arrays={"score": scores[ranking], **scores},
        findings=[
            f"Pairs ranked by {ranking} of a trained {name}; nothing was tested. Without a model the "
            "analyzer trains its own beside phantoms and gives p and q values."
        ],
    )
    if recordings.graph is not None:
        table = [
            method_row(key, f"{key} of {name}", score, None, recordings.graph, 0.0)
            for key, score in scores.items()
        ]
        report.tables["methods"] = pd.DataFrame([dict(row) for row in table])
        report.scalars |= {f"auroc/{row['method']}": row["auroc"] for row in table}
    return report
