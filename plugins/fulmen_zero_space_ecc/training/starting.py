"""What happens once, when `wot` starts: all processes alike, and nothing of before left behind."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from fulmen import UserError
from fulmen_zero_space_ecc.training.quantized_model import QuantizedModel
from fulmen_zero_space_ecc.weights.folding import forget_moments_, has_statistics
from fulmen_zero_space_ecc.weights.pairing import unpaired


def start(trainer: Trainer, model: LightningModule, quantized: QuantizedModel) -> None:
    """Fold batch normalisation and freeze the scales, the same in all processes.

    Raises:
        UserError: a layer's weights are all 0 or not finite.
    """
    if trainer.world_size > 1:
        _take_statistics_of_rank_zero(trainer, model)
    quantized.pair()
    _say_what_is_folded(model, quantized)
    changed = quantized.fold()
    for optimizer in trainer.optimizers:
        forget_moments_(optimizer, changed)
    try:
        scales = quantized.measure_scales()
    except ValueError as error:
        raise UserError(f"wot: {error}") from error
    quantized.freeze(trainer.strategy.broadcast(scales))


@torch.no_grad()
def restart_averages(trainer: Trainer, model: LightningModule) -> None:
    """Begin weight averages again from here: those of unfolded weights mean nothing for folded ones."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        average = getattr(callback, "_average_model", None)
        if isinstance(callback, WeightAveraging) and average is not None:
            average.module.load_state_dict(model.state_dict())
            average.n_averaged.zero_()


def _take_statistics_of_rank_zero(trainer: Trainer, model: LightningModule) -> None:
    """Each process has its own running statistics; what is folded must be the same in all."""
    mine = {name: buffer.cpu() for name, buffer in model.named_buffers()}
    for name, buffer in trainer.strategy.broadcast(mine).items():
        model.get_buffer(name).copy_(buffer)


def _say_what_is_folded(model: LightningModule, quantized: QuantizedModel) -> None:
    names = [pair.normalisation for pair in quantized.pairs]
    norms: list[Any] = [model.get_submodule(name) for name in names]
    untrained = [name for name, norm in zip(names, norms, strict=True) if not has_statistics(norm)]
    if untrained:
        rank_zero_warn(
            f"wot starts before batch normalisation has seen data ({', '.join(untrained)}), and folds it "
            "away unlearned; set start_epoch to 1 or more, or start from a trained model."
        )
    left = ", ".join(unpaired(model, quantized.pairs))
    left = f"; left as they are, since no convolution is known to feed them alone: {left}" if left else ""
    rank_zero_info(f"wot: {len(names)} batch normalisations folded{left}.")
