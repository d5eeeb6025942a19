"""What `weight_distribution` says of the data-free mode, and the checkpoint that it leaves."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import lightning
import pandas as pd
import torch

import fulmen
from fulmen import UserError
from fulmen_zero_space_ecc.weights.data_free import compare, prepare_
from fulmen_zero_space_ecc.weights.distribution import folded_copy
from fulmen_zero_space_ecc.weights.placement import Placement
from fulmen_zero_space_ecc.weights.saved_state import STATE_KEY
from fulmen_zero_space_ecc.weights.scales import channel_axis

if TYPE_CHECKING:
    from torch import nn

_OF_A_RUN = ("optimizer_states", "lr_schedulers", "loops", "callbacks", "state_dict")


def add(
    report: fulmen.Report,
    context: fulmen.AnalysisContext,
    model: nn.Module,
    placed: Placement,
    ignored: list[str],
) -> None:
    """Add the table and scalars, and write the model that the data-free mode makes of this one.

    Raises:
        UserError: all weights are 0.
    """
    table = _table(context, model, placed)
    if table.empty:
        raise UserError(
            "weight_distribution: data_free: all weights are 0; load a trained model (ckpt_path)."
        )
    means = {way: float(table[way].mean()) for way in table.columns[1:]}
    state = _checkpoint(context, model, placed, ignored)
    fulmen.write_artifact(context.run_dir / "data_free.ckpt", lambda file: torch.save(state, file))
    report.tables["data_free"] = table
    report.scalars.update({f"sqnr/{way.replace(' ', '_')}": mean for way, mean in means.items()})
    report.findings.append(
        "Data-free: with the best scale of each channel inside the box, weights keep "
        f"{means['box channel']:.1f} dB in the mean, against {means['int8 layer']:.1f} dB of plain int8 with "
        f"one scale a layer and {means['int8 channel']:.1f} dB with one a channel. The model so quantised is "
        "data_free.ckpt in the run's folder; callback wot with scales: channel evaluates it in 8 bits, and "
        "zero_space_ecc with save_in_use: true protects it."
    )


def _table(context: fulmen.AnalysisContext, model: nn.Module, placed: Placement) -> pd.DataFrame:
    """Return the signal-to-noise ratios of each layer in dB, but for layers of zeros, which lose nothing."""
    folded, _ = folded_copy(model)
    rows = []
    for segment in context.progress(placed.segments, "Searching scales"):
        weight = folded.get_parameter(segment.name).detach().cpu()
        axis = channel_axis(model.get_submodule(segment.layers[0]))
        if weight.any():
            rows.append({"layer": segment.layers[0], **compare(weight, segment.held_mask(), axis)})
    return pd.DataFrame(rows)


def _checkpoint(
    context: fulmen.AnalysisContext, model: nn.Module, placed: Placement, ignored: list[str]
) -> dict[str, Any]:
    """Return the model, prepared, as a checkpoint that Lightning and `wot` read."""
    prepared = copy.deepcopy(model).cpu()
    frozen = prepare_(prepared, placed)
    kept = {key: value for key, value in (context.checkpoint or {}).items() if key not in _OF_A_RUN}
    return {
        "epoch": 0,
        "global_step": 0,
        "pytorch-lightning_version": lightning.__version__,
        **kept,
        "state_dict": prepared.state_dict(),
        "callbacks": {STATE_KEY: {"layout": placed.layout, "ignore": ignored, "frozen": frozen}},
    }
