"""The analyzer `attention_granger`: which series drives which?"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import fulmen
from fulmen.errors import DataError, UserError
from fulmen_attention_granger import graph_charts
from fulmen_attention_granger.choice import MEMBERS
from fulmen_attention_granger.edges import COLUMNS, edge_rows, graphml, tigramite_arrays
from fulmen_attention_granger.estimate import SCORES, Estimate, EstimateOptions, Run, estimate, reordered
from fulmen_attention_granger.member import run_members
from fulmen_attention_granger.memory import memory_needed, require_memory
from fulmen_attention_granger.method_rows import MethodRow, method_row, opponent_row
from fulmen_attention_granger.opponents.capped import run_capped
from fulmen_attention_granger.opponents.catalog import OPPONENTS
from fulmen_attention_granger.recordings import RecordingError, Recordings, default_names
from fulmen_attention_granger.time_varying import smoothed
from fulmen_attention_granger.windows import canonical_order, standardised

if TYPE_CHECKING:
    import pandas as pd
    import torch

OWNER = "attention_granger"
TEST = "held-out knock-out of the source's history, given the histories of all variables (nonlinear)"
_MOST_PAIRS_OVER_TIME = 40


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
        folds: Stretches of time held out in turn, at least 2; null: 5, or 3 for long recordings.
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
        if hasattr(context.model, "pair_scores"):
            return _report_of_model(context.model, recordings)
        series = prepared(recordings)
        file = context.run_dir / "series.npz"
        content = _npz(series[0])
        fulmen.write_artifact(file, content)
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
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
        needed = memory_needed(recordings.variables, recordings.samples, self.options.significance)
        try:
            require_memory(needed, recordings.variables)
            options = EstimateOptions(**{**asdict(self.options), "seed": seed})
            result = reordered(estimate(trials, run, options), order)
        except ValueError as error:
            raise DataError(f"{recordings.source}: {error}") from error
        rows = edge_rows(result, recordings.names)
        report = _report_of(result, recordings, rows, self.options.q)
        if self.time_varying:
            _add_time(report, result, recordings, rows)
        if recordings.graph is not None:
            self._compare(report, result, recordings)
        return report, rows

    def _compare(self, report: fulmen.Report, result: Estimate, recordings: Recordings) -> None:
        graph = recordings.graph
        assert graph is not None
        chosen = None if result.significance is None else result.significance.selected
        seconds = result.seconds  # of the pieces, wherever and whenever they ran
        rows: list[MethodRow] = [
            method_row(OWNER, TEST, result.score, chosen, graph, seconds),
            method_row(
                "raw_attention",
                "cross-attention as it stands",
                result.scores["attention"],
                None,
                graph,
                seconds,
            ),
        ]
        scores = {OWNER: result.score, "raw_attention": result.scores["attention"]}
        for name in fulmen.progress(self.opponents, "classical tests"):
            try:
                opponent = run_capped(name, recordings.trials, None, self.opponent_seconds)
            except RecordingError as error:
                report.findings.append(f"{name} was left out: {error}")
                continue
            rows.append(opponent_row(opponent, graph, self.options.q))
            if opponent.score is not None:
                scores[name] = opponent.score
        report.tables["methods"] = _frame([dict(row) for row in rows])
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


def granger_graph(
    x: np.ndarray | Sequence[np.ndarray],
    names: Sequence[str] | None = None,
    graph: np.ndarray | None = None,
    seed: int = 0,
    device: str = "cpu",
    **options: Any,
) -> fulmen.Report:
    """Return the report of arrays, as ``fulmen analyze`` would make it; for notebooks.

    Args:
        x: float, (time, variables), (trials, time, variables), or a sequence of (time, variables); NaN =
            missing.
        names: Of the variables; None: ``x0``, ``x1``, ...
        graph: The truth where it is known, bool (targets, sources).
        seed: Of everything.
        device: ``cpu`` or ``cuda``.
        options: Of `AttentionGranger`.

    Raises:
        UserError: as `AttentionGranger`.
    """
    from fulmen_attention_granger.reading.checks import check

    trials = [np.asarray(x, dtype=np.float64)] if getattr(x, "ndim", 0) == 2 else list(x)
    trials = [np.asarray(trial, dtype=np.float64) for trial in trials]
    named = default_names(trials[0].shape[1]) if names is None else tuple(names)
    recordings = Recordings(tuple(trials), named, graph, source="arrays")
    try:
        check(recordings)
    except ValueError as error:
        raise DataError(str(error)) from error
    return AttentionGranger(**options).of(recordings, seed, device)


def prepared(recordings: Recordings) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the z-scored trials in the order of the variables' own, and that order."""
    trials = standardised(recordings.trials)
    order = canonical_order(trials)
    return [np.ascontiguousarray(trial[:, order]) for trial in trials], order


def device_for(device: torch.device) -> str:
    """Return where networks are trained and read for a Trainer that computes on a device."""
    return str(device) if device.type == "cuda" else "cpu"


@dataclass(frozen=True)
class Series:
    """What the pieces of an analysis share: z-scored trials, and the device to work on."""

    trials: list[np.ndarray]
    device: str


def run_piece(series: Series, item: dict[str, Any]) -> list[dict[str, Any]]:
    """Run one piece of ``context.map``."""
    return run_members(series.trials, item, series.device)


def shared_series(path: str, digest: str, device: str) -> Series:
    """Return the trials that an analysis left for its pieces, for work on a device.

    Raises:
        DataError: the file is not the one that the analysis wrote.
    """
    content = Path(path).read_bytes()
    if hashlib.blake2b(content, digest_size=16).hexdigest() != digest:
        raise DataError(f"{path}: changed since the analysis began; start it anew with --fresh.")
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return Series([file[f"trial{number}"] for number in range(len(file.files))], device)


def _npz(trials: Sequence[np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{f"trial{number}": trial for number, trial in enumerate(trials)})
    return buffer.getvalue()


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


def _report_of_model(model: Any, recordings: Recordings) -> fulmen.Report:
    """Read a model that was trained with `fit`."""
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
        tables={"edges": _frame(rows)},
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
        report.tables["methods"] = _frame([dict(row) for row in table])
        report.scalars |= {f"auroc/{row['method']}": row["auroc"] for row in table}
    return report


def _frame(rows: Sequence[dict[str, Any]], columns: Sequence[str] | None = None) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows), columns=None if columns is None else list(columns))


def _report_of(
    result: Estimate, recordings: Recordings, rows: list[dict[str, Any]], q: float
) -> fulmen.Report:
    names, found = recordings.names, result.significance
    figures = {
        "matrix": graph_charts.matrices(result, names, recordings.graph),
        "lags": graph_charts.lags(result, rows, names),
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
    }
    if found is not None:
        figures["network"] = graph_charts.network(rows, names)
        figures["phantoms"] = graph_charts.phantoms(result)
        arrays |= {"p_value": found.p_values, "q_value": found.q_values, "selected": found.selected}
        scalars |= {
            "selected": float(len(chosen)),
            "flagged": float(sum(bool(row["flag"]) for row in chosen)),
        }
    return fulmen.Report(
        title=f"Who drives whom: {recordings.source}",
        scalars=scalars,
        tables={"edges": _frame(rows, COLUMNS), "choices": _choices(result)},
        figures=figures,
        arrays=arrays,
        findings=_findings(result, recordings, rows, chosen, q),
    )


def _choices(result: Estimate) -> pd.DataFrame:
    rows = [
        {"choice": "member", "value": name, "held_out_loss": loss} for name, loss in result.losses.items()
    ]
    if result.lag_choice is not None:
        rows += [
            {"choice": "lags", "value": str(lags), "held_out_loss": loss}
            for lags, loss in enumerate(result.lag_choice.losses, start=1)
        ]
    return _frame(rows, ("choice", "value", "held_out_loss"))


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
            f"{len(chosen)} of {pairs} pairs selected; at most {q:.0%} of them are expected to be false. "
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
            f"{len(flagged)} selected pairs are flagged: something that was not recorded may drive both "
            f"({first}). No test of forecasts can settle that."
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
        findings.append(f"{recordings.missing:.1%} of the values are missing and were masked.")
    findings.append(
        "An edge says that the source's past helps to forecast the target beyond all other recorded pasts; "
        "causes that were not recorded, or act within one sampling step, can look the same."
    )
    return findings


def _add_time(
    report: fulmen.Report, result: Estimate, recordings: Recordings, rows: list[dict[str, Any]]
) -> None:
    series = smoothed(result.blocks, result.rows, result.null_blocks)
    index = {name: place for place, name in enumerate(recordings.names)}
    shown = [row for row in rows if row["selected"]] or rows
    shown = shown[:_MOST_PAIRS_OVER_TIME]
    pairs = [(index[row["target"]], index[row["source"]]) for row in shown]
    report.arrays["strength_over_time"] = series.strength
    report.arrays["middle_rows"] = series.middles
    if series.envelope is not None:
        report.arrays["envelope_over_time"] = series.envelope
    report.figures["over_time"] = graph_charts.over_time(
        np.stack([series.strength[:, target, source] for target, source in pairs], 1),
        series.envelope,
        [f"{row['source']} to {row['target']}" for row in shown],
        series.middles,
    )


def _require(**options: tuple[bool, Any, str]) -> None:
    for name, (good, value, expected) in options.items():
        if not good:
            raise UserError(f"{OWNER}: {name} is {value}; expected {expected}: change it.")
