"""What `wot` refuses at the door, by name, and what it checks at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import StochasticWeightAveraging, WeightAveraging
from lightning.pytorch.strategies import DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy
from torch import nn

from fulmen import UserError
from fulmen.errors import CheckpointError, FulmenError
from fulmen_zero_space_ecc.training.quantized_model import QuantizedModel
from fulmen_zero_space_ecc.training.velocity import has_momentum
from fulmen_zero_space_ecc.weights.placement import Layout, Placement, placement

_SHARDED = (FSDPStrategy, DeepSpeedStrategy, ModelParallelStrategy)


def require(option: str, value: Any, condition: bool, expected: str, owner: str = "wot") -> None:
    """Refuse an option's value."""
    if not condition:
        raise UserError(f"{owner}: {option} is {value!r}; {expected} is needed.")


def place(model: nn.Module, layout: Layout, ignore: Sequence[str], owner: str = "wot") -> Placement:
    """Return the placement; what cannot be protected becomes the user's error."""
    try:
        return placement(model, layout, ignore)
    except ValueError as error:
        raise UserError(f"{owner}: {error}") from error


def restore(quantized: QuantizedModel, frozen: Mapping[str, Any]) -> None:
    """Go on from a checkpoint's state; that of another model becomes the user's error."""
    try:
        quantized.load_state_dict(frozen)
    except ValueError as error:
        raise CheckpointError(
            f"wot: {error}; use the checkpoint with the model that it was saved from."
        ) from error


def refuse_sharded(trainer: Trainer, owner: str = "wot") -> None:
    """Refuse strategies that cut weights into pieces: no process sees the whole arena."""
    if isinstance(trainer.strategy, _SHARDED):
        raise UserError(
            f"{owner}: strategy {type(trainer.strategy).__name__} keeps only pieces of the weights in each "
            "process, the whole ones are needed; use trainer.strategy: ddp, or one device."
        )


def refuse_late_start(trainer: Trainer, start_epoch: int) -> None:
    """Refuse a start that the run does not reach."""
    last = trainer.max_epochs
    if last is not None and 0 < last <= start_epoch:
        raise UserError(
            f"wot: start_epoch is {start_epoch}, but training ends after {last} epochs (trainer.max_epochs); "
            f"set start_epoch to at most {last - 1}."
        )


def refuse_averages_across_start(trainer: Trainer, mode: str, start_epoch: int) -> None:
    """Refuse weight averages that would mix weights inside and outside of the box."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        name = type(callback).__name__
        averages = isinstance(callback, (WeightAveraging, StochasticWeightAveraging))
        if averages and mode != "throttle":
            raise UserError(
                f"wot: mode {mode} leaves weights outside of the box while it trains, and {name} would "
                "average them; use mode: throttle."
            )
        if isinstance(callback, StochasticWeightAveraging) and 0 < start_epoch >= callback.swa_start:
            raise UserError(
                f"wot: {name} averages from epoch {callback.swa_start} on, before the weights are held from "
                f"epoch {start_epoch} on; set start_epoch below {callback.swa_start}, or swa_epoch_start "
                "later."
            )


def refuse_unequal_models(trainer: Trainer, placed: Placement) -> None:
    """Refuse processes that hold different layers."""
    names = [(segment.name, segment.shape) for segment in placed.segments]
    same = names == trainer.strategy.broadcast(names)
    if not trainer.strategy.reduce_boolean_decision(same, all=True):
        raise UserError(
            f"wot: the processes of strategy {type(trainer.strategy).__name__} hold different layers, the "
            "same are needed; use trainer.strategy: ddp, or one device."
        )


def refuse_unhooked(trainer: Trainer) -> None:
    """Refuse optimisers that give no sign after a step."""
    for optimizer in trainer.optimizers:
        if not hasattr(optimizer, "register_step_post_hook"):
            raise UserError(
                f"wot: optimiser {type(optimizer).__name__} has no register_step_post_hook, which holds the "
                "weights after each step; derive it from torch.optim.Optimizer."
            )


def refuse_without_momentum(trainer: Trainer) -> None:
    """Refuse optimisers that keep no velocity that could be removed."""
    for optimizer in trainer.optimizers:
        if not has_momentum(optimizer):
            raise UserError(
                f"wot: remove_outward_velocity: optimiser {type(optimizer).__name__} keeps no momentum; give "
                "it one, or leave the option out."
            )


def check_started(trainer: Trainer, quantized: QuantizedModel | None, start_epoch: int) -> None:
    """Raise a FulmenError if training ended before anything was held."""
    if quantized is None:
        raise FulmenError(
            f"wot: training ended in epoch {trainer.current_epoch}, before start_epoch {start_epoch}: no "
            "weight is held. Train longer, or set start_epoch earlier."
        )


def check_held(quantized: QuantizedModel) -> None:
    """Raise a FulmenError if a held weight lies outside [-64, 63]; names the weights and how many."""
    counts = {name: int(count) for name, count in quantized.count_outside().items() if count}
    if counts:
        listed = ", ".join(f"{name}: {count}" for name, count in list(counts.items())[:10])
        raise FulmenError(
            f"wot: {sum(counts.values())} held weights lie outside [-64, 63] after training ({listed}); "
            "something changed them after they were held: look for callbacks or code that write to weights."
        )


def check_equal(trainer: Trainer, quantized: QuantizedModel) -> None:
    """Raise a FulmenError if processes ended with different 8-bit weights or scales."""
    mine = quantized.fingerprint()
    same = mine == trainer.strategy.broadcast(mine)
    if not trainer.strategy.reduce_boolean_decision(same, all=True):
        raise FulmenError(
            "wot: the processes ended with different 8-bit weights; they trained different models."
        )
