"""Callbacks that end what is hopeless and let others measure in quiet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from fulmen.costs.quiet import Quiet
from fulmen.errors import ConfigError
from fulmen.search.rungs import at_rung
from fulmen.searching import EvaluationStatus

LOOK_EVERY = 10  # batches between two looks at the loss, which waits for an accelerator


class Hopeless(Exception):  # noqa: N818
    """A candidate is not worth training on.

    Attributes:
        status: How it failed.
        values: What was measured until then.
    """

    def __init__(self, status: EvaluationStatus, why: str, values: Mapping[str, float] | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.values = dict(values or {})


class StopHopeless(pl.Callback):
    """Ends a training whose loss or weights are not finite, or whose metric is beyond a limit at some epoch.

    Args:
        metric: The metric, or None.
        after: The epoch after which it is looked at, from 1.
        below: Stop where it is below.
        above: Stop where it is above.
        rungs: Epochs after which another metric is noted.
        rung_metric: That one.
        rung_mode: Whether much or little of it is good.
        limits: Epoch, as text, to the worst value with which the training goes on.

    Attributes:
        reached: What was noted, by the names that `fulmen.search.rungs.at_rung` gives.
    """

    def __init__(
        self,
        metric: str | None = None,
        after: int = 1,
        below: float | None = None,
        above: float | None = None,
        rungs: Sequence[int] | None = None,
        rung_metric: str = "",
        rung_mode: str = "max",
        limits: Mapping[str, float] | None = None,
    ) -> None:
        self.metric, self.after, self.below, self.above = metric, after, below, above
        self.rungs, self.rung_metric, self.rung_mode = rungs or (), rung_metric, rung_mode
        self.limits = dict(limits or {})
        self.reached: dict[str, float] = {}

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Look at the loss."""
        if batch_idx % LOOK_EVERY == 0 or trainer.is_last_batch:
            loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
            if isinstance(loss, Tensor) and not math.isfinite(float(loss)):
                raise Hopeless("nan", f"the loss is {float(loss)} in epoch {trainer.current_epoch + 1}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the weights: the last step may have been the one too many."""
        if not all(bool(parameter.isfinite().all()) for parameter in pl_module.parameters()):
            raise Hopeless("nan", "the weights are not finite after the training", self.reached)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the metric, once, and at that of the rungs: in the last validation of an epoch."""
        if trainer.sanity_checking or _is_validated_again(trainer):
            return
        epoch = trainer.current_epoch + 1
        if self.metric is not None and epoch == self.after:
            value = _logged(trainer, self.metric, "abort_metric")
            below = self.below is not None and value < self.below
            if below or (self.above is not None and value > self.above):
                limit = f"abort_below {self.below:.4g}" if below else f"abort_above {self.above:.4g}"
                why = f"{self.metric} is {value:.4g} after {epoch} epochs ({limit})"
                raise Hopeless("stuck", why, self.reached)
        if epoch in self.rungs:
            self._hold_to_rung(epoch, _logged(trainer, self.rung_metric, "rungs"))

    def _hold_to_rung(self, epoch: int, value: float) -> None:
        self.reached[at_rung(epoch)] = value
        limit = self.limits.get(str(epoch))
        if limit is None:
            return
        goes_on = value >= limit if self.rung_mode == "max" else value <= limit  # NaN does not
        if not goes_on:
            why = f"{self.rung_metric} is {value:.4g} after {epoch} epochs; {limit:.4g} was needed to go on"
            raise Hopeless("stuck", why, self.reached)


def _is_validated_again(trainer: pl.Trainer) -> bool:
    """Say whether another validation comes in this epoch; of one without a length nobody knows."""
    batches, every = trainer.num_training_batches, trainer.val_check_batch
    if every is None or math.isinf(batches):
        return False
    return batches - (trainer.fit_loop.epoch_loop.batch_idx + 1) >= every


def _logged(trainer: pl.Trainer, metric: str, key: str) -> float:
    if metric not in trainer.callback_metrics:
        known = ", ".join(sorted(trainer.callback_metrics)) or "none"
        raise ConfigError(f"fidelity: {key}: no metric {metric!r} is logged by then; logged are {known}.")
    return float(trainer.callback_metrics[metric])


class LetMeasure(pl.Callback):
    """Lets others of this machine measure their latencies between two batches."""

    def __init__(self, quiet: Quiet) -> None:
        self.quiet = quiet

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Take a breath."""
        self.quiet.breathe()

    def on_validation_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take a breath."""
        self.quiet.breathe()

    on_test_batch_start = on_predict_batch_start = on_validation_batch_start
