"""The analyzer `weight_distribution`: is a model ready for in-place protection?"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import pandas as pd

import fulmen
from fulmen import UserError
from fulmen.errors import CheckpointError
from fulmen_zero_space_ecc.training import charts, data_free_report, guards
from fulmen_zero_space_ecc.training.qat import QuantizationAwareTraining
from fulmen_zero_space_ecc.weights.distribution import (
    BINS,
    LayerDistribution,
    distribution,
    folded_copy,
    in_bin,
    outside,
    total,
)
from fulmen_zero_space_ecc.weights.placement import Layout, Placement
from fulmen_zero_space_ecc.weights.saved_state import saved_state

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class _Stage:
    """One set of weights: those analysed (after), or those of the checkpoint to compare with (before)."""

    layers: list[LayerDistribution]
    frozen: bool  # whether the scales are those that wot froze
    folded: int  # how many batch normalisations had to be folded first


class WeightDistribution(fulmen.Analyzer):
    """Counts large 8-bit weights by layer and by place, and says whether a model can be protected in place.

    Weights are read as 8-bit integers by the scales that `wot` froze, where the checkpoint has them;
    else as plain post-training quantisation would: batch normalisation folded, the largest weight of
    each layer on 127. A model is ready when each held weight lies in [-64, 63]. No data are needed.

    Args:
        layout: Which weights form a block of 8; None: that of the checkpoint's `wot`, or
            ``interleaved``.
        before: A checkpoint of the same model, such as the one that `wot` started from, to compare
            with; None: no comparison.
        ignore: Names of modules or parameters to leave out; None: those of the checkpoint's `wot`.
        data_free: Also search the best scales inside the box, without training, and compare what each way
            of quantising costs. The model so quantised is written to ``data_free.ckpt`` in the run's
            folder, which `wot` with ``scales: channel`` evaluates in 8 bits.

    Raises:
        UserError: there is no model, or it has weights that cannot be protected; names them.

    Reports the scalars ``ready`` (1 or 0), ``weights``, ``held``, ``free``, ``held_outside``,
    ``held_outside_fraction``, ``padding_bytes``, and ``before/held_outside`` with ``before``; the
    tables ``layers`` and ``places``; the arrays ``held`` and ``free``, how often each of -128..127
    occurs. The bins are those that the code of Guan et al., NeurIPS 2019, reports. With ``data_free``
    also the table ``data_free``, the signal-to-quantisation-noise ratio of each layer in dB, and its
    means as the scalars ``sqnr/<way>``.
    """

    def __init__(
        self,
        layout: Layout | None = None,
        before: str | None = None,
        ignore: list[str] | None = None,
        data_free: bool = False,
    ) -> None:
        if layout is not None:
            known = get_args(Layout)
            guards.require(
                "layout", layout, layout in known, f"one of {', '.join(known)}", "weight_distribution"
            )
        self.layout = layout
        self.before = before
        self.ignore = ignore
        self.data_free = data_free

    def analyze(self, context: fulmen.AnalysisContext) -> fulmen.Report:
        """Count the weights of the context's model."""
        model = context.model
        if model is None:
            raise UserError("weight_distribution: no model to examine; set model and ckpt_path.")
        state = (
            saved_state(context.checkpoint) if context.checkpoint else _state_in_memory(context.runner, model)
        )
        placed = self._place(model, state)
        stages = {"after": _stage(model, placed, state)}
        if self.before is not None:
            stages = {"before": self._stage_before(model, placed, self.before), **stages}
        layers = {name: stage.layers for name, stage in stages.items()}
        counts = {place: total(layers["after"], place) for place in ("held", "free")}
        scalars = _scalars(placed, layers)
        report = fulmen.Report(
            title=f"Weight distribution: {_verdict(scalars)} for in-place protection",
            scalars=scalars,
            tables={"places": _places(layers), "layers": _layers(layers)},
            figures={"histogram": charts.histogram(layers), "layers": charts.layer_bars(layers)},
            arrays=counts,
            findings=_findings(placed, stages, self.data_free),
        )
        if self.data_free:
            data_free_report.add(report, context, model, placed, self._ignored(state))
        return report

    def _place(self, model: nn.Module, state: Mapping[str, Any] | None) -> Placement:
        layout: Layout = "interleaved" if state is None else state["layout"]
        layout = layout if self.layout is None else self.layout
        return guards.place(model, layout, self._ignored(state), "weight_distribution")

    def _ignored(self, state: Mapping[str, Any] | None) -> list[str]:
        if self.ignore is not None:
            return self.ignore
        return [] if state is None else list(state["ignore"])

    def _stage_before(self, model: nn.Module, placed: Placement, path: str) -> _Stage:
        checkpoint = fulmen.load_checkpoint(path)
        model = copy.deepcopy(model)
        try:
            model.load_state_dict(checkpoint["state_dict"])
        except RuntimeError as error:
            first = str(error).splitlines()[1:2]
            raise CheckpointError(
                f"{path}: before is a checkpoint of another model ({''.join(first).strip()}); "
                "give one of this model."
            ) from error
        return _stage(model, placed, saved_state(checkpoint))


def _state_in_memory(runner: Any, model: nn.Module) -> dict[str, Any] | None:
    """Return what `wot` froze in a model that this runner has just trained."""
    for callback in getattr(runner, "callbacks", ()):
        if isinstance(callback, QuantizationAwareTraining) and callback.trained_model is model:
            return saved_state({"callbacks": {callback.state_key: callback.state_dict()}})
    return None


def _stage(model: nn.Module, placed: Placement, state: Mapping[str, Any] | None) -> _Stage:
    scales, folded = None, 0
    if state is None:
        model, folded = folded_copy(model)
    else:
        scales = state["frozen"]["scales"]
    try:
        return _Stage(distribution(model, placed, scales), state is not None, folded)
    except ValueError as error:
        raise UserError(f"weight_distribution: {error}") from error


def _verdict(scalars: dict[str, float]) -> str:
    return "ready" if scalars["ready"] else "not ready"


def _row(counts: Any) -> dict[str, Any]:
    return {
        "weights": int(counts.sum()),
        **{name: in_bin(counts, name) for name in BINS},
        "outside": outside(counts),
    }


def _layers(stages: dict[str, list[LayerDistribution]]) -> pd.DataFrame:
    rows = [
        {
            "when": when,
            "layer": layer.name,
            "place": place,
            "scale": layer.scale,
            **_row(getattr(layer, place)),
        }
        for when, layers in stages.items()
        for layer in layers
        for place in ("held", "free")
    ]
    return pd.DataFrame([row for row in rows if row["weights"]])


def _places(stages: dict[str, list[LayerDistribution]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"when": when, "place": place, **_row(total(layers, place))}
            for when, layers in stages.items()
            for place in ("held", "free")
        ]
    )


def _scalars(placed: Placement, stages: dict[str, list[LayerDistribution]]) -> dict[str, float]:
    wrong = {when: outside(total(layers, "held")) for when, layers in stages.items()}
    scalars = {
        "ready": float(wrong["after"] == 0),
        "weights": float(placed.numel),
        "held": float(placed.num_held),
        "free": float(placed.numel - placed.num_held),
        "held_outside": float(wrong["after"]),
        "held_outside_fraction": wrong["after"] / placed.num_held,
        "padding_bytes": float(placed.padding),
    }
    return scalars | ({"before/held_outside": float(wrong["before"])} if "before" in wrong else {})


def _findings(placed: Placement, stages: dict[str, _Stage], data_free: bool) -> list[str]:
    after = stages["after"]
    wrong = {when: outside(total(stage.layers, "held")) for when, stage in stages.items()}
    held = placed.num_held
    if wrong["after"]:
        worst = max(after.layers, key=lambda layer: outside(layer.held))
        remedy = (
            "What data-free makes of it (below) is ready"
            if data_free
            else "Train some epochs with callback wot"
        )
        findings = [
            f"Not ready: {wrong['after']:,} of {held:,} held weights ({wrong['after'] / held:.2%}) lie "
            f"outside [-64, 63], most of them in {worst.name} ({outside(worst.held):,}). {remedy}."
        ]
    else:
        findings = [
            f"Ready for in-place protection: all {held:,} held weights lie in [-64, 63]. The check bits "
            f"need no extra byte; the model's end is padded by {placed.padding}."
        ]
    if "before" in wrong:
        findings.append(
            f"Before, {wrong['before']:,} held weights ({wrong['before'] / held:.2%}) lay outside."
        )
    findings.append(_where_free(placed))
    findings += [_scales(when, stage) for when, stage in stages.items()]
    return findings


def _where_free(placed: Placement) -> str:
    most = max(placed.segments, key=lambda segment: segment.num_free)
    where = "the last eighth of the model" if placed.layout == "interleaved" else "every eighth weight"
    free = placed.numel - placed.num_held
    return f"Layout {placed.layout}: {where} is free, {free:,} weights, most of them in {most.layers[0]}."


def _scales(when: str, stage: _Stage) -> str:
    if stage.frozen:
        return f"Scales {when}: those that wot froze."
    return (
        f"Scales {when}: the largest weight of each layer on 127, since the checkpoint has none of wot; "
        f"{stage.folded} batch normalisations folded first."
    )
