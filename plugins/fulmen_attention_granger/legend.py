"""What the columns of a report's tables say: a report is mailed to people who have not read the docs."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

MEANINGS = {
    "edges": {
        "source": "whose past is looked at",
        "target": "whose next value is forecast",
        "lag": "rows back at which the source adds most",
        "score": "ranks the pairs of this recording: what forecasts of the target lose without the source, "
        "in units of the variance that they leave, unless another read-out was asked for",
        "sign": "of the effect: 1 raises, -1 lowers",
        "effect": "slope at that lag: deviations of the target for one deviation of the source",
        "p_value": "how often a phantom, which drives nothing, does as well by the statistic tested (which "
        "is not the score)",
        "q_value": "share of false ones aimed at among all pairs at least as good",
        "selected": "whether the q value is at most q",
        "stability": "share of folds and seeds in which the statistic is above 95 % of the phantoms'",
        "flag": "traces of something that was not recorded: errors together, by surprise, in company",
    },
    "choices": {
        "choice": "what was chosen: the kind of network (member), or how many lags",
        "value": "what was tried",
        "held_out_loss": "lower is better; compare members with members, lags with lags; empty: given",
        "chosen": "whether it was taken",
    },
    "methods": {
        "method": "attention_granger is the graph above; the others ran on the same rows",
        "test": "what tests a pair, given what else",
        "auroc": "area under the ROC curve, off the diagonal: .5 is chance, 1 a perfect ranking",
        "auprc": "area under precision and recall: the share of true pairs is chance",
        "shd": "structural Hamming distance: edges missed or false, at q",
        "fdr": "share of the selected that is false",
        "power": "share of the true edges that is selected",
        "auroc_diagonal": "with the diagonal counted as true negatives, as some papers do",
        "seconds": "of CPU time",
        "note": "what else to know",
    },
    "intervals": {
        "method": "as in methods",
        "auroc_low": "95 % bootstrap interval over targets, lower end",
        "auroc_high": "its upper end",
        "auprc_low": "the same of AUPRC, lower end",
        "auprc_high": "its upper end",
    },
}


def legend(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return a row for each column of the tables: ``table``, ``column``, ``meaning``."""
    return pd.DataFrame(
        [
            {"table": table, "column": column, "meaning": MEANINGS[table][column]}
            for table, frame in tables.items()
            for column in frame.columns
        ]
    )
