"""The analyzer `attention_granger`: which series drives which?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np

import fulmen
from fulmen.errors import DataError, UserError
from fulmen_attention_granger.choice import MEMBERS
from fulmen_attention_granger.comparison import compare
from fulmen_attention_granger.edges import edge_rows, graphml
from fulmen_attention_granger.estimate import SCORES, EstimateOptions, Run, estimate, reordered
from fulmen_attention_granger.forecaster_base import ForecasterBase
from fulmen_attention_granger.graph_report import add_time, report_of
from fulmen_attention_granger.legend import legend
from fulmen_attention_granger.member import run_members
from fulmen_attention_granger.memory import memory_needed, require_memory
from fulmen_attention_granger.model_report import report_of_model
from fulmen_attention_granger.opponents.catalog import OPPONENTS
from fulmen_attention_granger.pieces import device_for, prepared, run_piece, share, shared_series
from fulmen_attention_granger.recordings import Recordings

OWNER = "attention_granger"


class AttentionGranger(fulmen.Analyzer):
    """Reads a directed graph from recordings: who helps to forecast whom, given everybody's past.

    Trains knock-out attention on folds of time, takes each source away from each held-out forecast, and
    compares what that costs with phantom sources that drive nothing. Lags, member (linear or not) and
    variance head are chosen by held-out likelihood. A model of this plugin that is given with its weights
    is read instead: nothing is trained, and nothing is tested. Any other model is left alone.

    Networks are trained and read where the Trainer computes if that is a CPU or a CUDA GPU
    (``trainer.accelerator``), else on the CPU: sums are kept in float64, which not every accelerator has.

    Args:
        lags: Rows of history; null: chosen from the data, up to ``max_lags``.
        max_lags: Tried at most.
        member: ``linear``, ``nonlinear`` or ``heteroscedastic``; null: chosen from the data.
        significance: Train beside phantoms for p values, q values and a choice of edges; without, pairs
            are ranked alone, in less than half of the time.
        q: The share of false edges among the selected that is tolerated.
        score: The read-out that ranks pairs: ``contribution``, ``loss``, ``clark_west``, ``refitted``,
            ``attention``, ``weighted_attention``, ``gradient``.
        test: The read-out that is compared with phantoms, of the same; what a source adds once the
            strongest ones are fitted anew (``refitted``) tells companions of a true source from the source
            itself.
        folds: Stretches of time held out in turn, at least 2; null: 5, or 3 for long recordings
            and for more than 50 variables.
        seeds: Repeat all with so many seeds and average.
        effort: Factor on the number of training steps.
        time_varying: Add how strong each pair is over time.
        opponents: Classical tests to run beside it when the truth is known.
        opponent_seconds: Wall-clock time that each of them may take.

    Raises:
        UserError: an option makes no sense; there is no data with recordings; they are too short or too
            many for the memory.

    Reports tables ``edges`` and, with a truth, ``methods``; arrays ``score``, ``attention`` (targets x
    sources), ``lag_score`` (targets x sources x lags) and more; writes ``graph.graphml``.
    """

    def __init__(
        self,
        lags: int | None = None,
        max_lags: int = 5,
        member: Literal["linear", "nonlinear", "heteroscedastic"] | None = None,
        significance: bool = True,
        q: float = 0.1,
        score: Literal[
            "contribution", "loss", "clark_west", "refitted", "attention", "weighted_attention", "gradient"
        ] = "contribution",
        test: Literal[
            "contribution", "loss", "clark_west", "refitted", "attention", "weighted_attention", "gradient"
        ] = "refitted",
        folds: int | None = None,
        seeds: int = 1,
        effort: float = 1.0,
        time_varying: bool = False,
        opponents: list[str] = ["var_granger"],  # noqa: B006  (never changed)
        opponent_seconds: float = 60.0,
    ) -> None:
        _require(
            lags=(lags is None or lags >= 1, lags, "1 or more, or null"),
            max_lags=(max_lags >= 1, max_lags, "1 or more"),
            member=(member is None or member in MEMBERS, member, f"one of {', '.join(MEMBERS)}, or null"),
            q=(0 < q < 1, q, "above 0 and below 1"),
            score=(score in SCORES, score, f"one of {', '.join(SCORES)}"),
            test=(test in SCORES, test, f"one of {', '.join(SCORES)}"),
            folds=(folds is None or folds >= 2, folds, "2 or more, or null"),
            seeds=(seeds >= 1, seeds, "1 or more"),
            effort=(0 < effort < float("inf"), effort, "above 0"),
            opponents=(set(opponents) <= set(OPPONENTS), opponents, f"some of {', '.join(OPPONENTS)}"),
            opponent_seconds=(opponent_seconds > 0, opponent_seconds, "above 0"),
        )
        self.options = EstimateOptions(
            lags=lags,
            max_lags=max_lags,
            member=member,
            significance=significance,
            q=q,
            folds=folds,
            all_time=time_varying,
            seeds=seeds,
            effort=effort,
            score=score,
            test=test,
        )
        self.time_varying = time_varying
        self.opponents = opponents
        self.opponent_seconds = opponent_seconds

    def analyze(self, context: fulmen.AnalysisContext) -> fulmen.Report:
        """Estimate the graph of the datamodule's recordings."""
        recordings = _recordings(context.datamodule)
        if isinstance(context.model, ForecasterBase):
            return report_of_model(context.model, recordings)
        series = prepared(recordings)
        file = context.run_dir / "series.npz"
        digest = share(file, series[0])
        setup = (shared_series, (str(file), digest, device_for(context.device)))

        def run(items: Sequence[dict[str, Any]], label: str) -> list[Any]:
            return context.map(run_piece, items, label, setup=setup)

        report, rows = self._report(recordings, series, run, context.seed)
        if context.model is not None:
            report.findings.append(
                f"Model {type(context.model).__name__} has no attention over series to read and was left "
                "alone; the graph is that of networks trained here."
            )
        fulmen.write_artifact(context.run_dir / "graph.graphml", graphml(rows, recordings.names).encode())
        return report

    def of(self, recordings: Recordings, seed: int = 0, device: str = "cpu") -> fulmen.Report:
        """Return the report of recordings, made in this process on a device; nothing is written.

        Raises:
            UserError: as the class says.
        """
        series = prepared(recordings)
        kept: dict[str, Any] = {}

        def run(items: Sequence[dict[str, Any]], label: str) -> list[Any]:
            for item in fulmen.progress([item for item in items if repr(item) not in kept], label):
                kept[repr(item)] = run_members(series[0], item, device)
            return [kept[repr(item)] for item in items]

        return self._report(recordings, series, run, seed)[0]

    def _report(
        self, recordings: Recordings, series: tuple[list[np.ndarray], np.ndarray], run: Run, seed: int
    ) -> tuple[fulmen.Report, list[dict[str, Any]]]:
        trials, order = series
        asked = self.options
        needed = memory_needed(
            recordings.variables,
            recordings.samples,
            asked.significance,
            asked.lags,
            asked.max_lags,
            len(recordings.trials),
        )
        try:
            require_memory(needed, recordings.variables)
            options = EstimateOptions(**{**asdict(asked), "seed": seed})
            result = reordered(estimate(trials, run, options), order)
        except ValueError as error:
            raise DataError(f"{recordings.source}: {error}") from error
        rows = edge_rows(result, recordings.names)
        report = report_of(result, recordings, rows, options)
        if self.time_varying:
            add_time(report, result, recordings, rows)
        if recordings.graph is not None:
            compare(report, result, recordings, self.opponents, self.opponent_seconds, options)
        report.tables["legend"] = legend(report.tables)
        return report, rows


def _recordings(datamodule: Any) -> Recordings:
    if datamodule is None:
        raise UserError(
            f"{OWNER}: no data to examine; set --data, for example --data time_series --data.path FILE."
        )
    ask: Callable[[], Recordings] | None = getattr(datamodule, "recordings", None)
    if ask is None:
        raise UserError(
            f"{OWNER}: data {type(datamodule).__name__} has no recordings; give data of this plugin: "
            "time_series, spiking_network, ... (`fulmen plugins` lists them)."
        )
    return ask()


def _require(**options: tuple[bool, Any, str]) -> None:
    for name, (good, value, expected) in options.items():
        if not good:
            raise UserError(f"{OWNER}: {name} is {value}; expected {expected}: change it.")
