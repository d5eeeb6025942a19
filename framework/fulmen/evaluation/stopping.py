"""Callbacks that end what is hopeless and let others measure in quiet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from fulmen.costs.quiet import Quiet
from fulmen.errors import ConfigError
from fulmen.searching import EvaluationStatus

LOOK_EVERY = 10  # batches between two looks at the loss, which waits for an accelerator


class Hopeless(Exception):  # noqa: N818
    """A candidate is not worth training on."""

    def __init__(self, status: EvaluationStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class StopHopeless(pl.Callback):
    """Ends a training whose loss is not finite, or whose metric is beyond a limit after some epochs.

    Args:
        metric: The metric, or None.
        after: The epoch after which it is looked at, from 1.
        below: Stop where it is below.
        above: Stop where it is above.
    """

    def __init__(
        self,
        metric: str | None = None,
        after: int = 1,
        below: float | None = None,
        above: float | None = None,
    ) -> None:
        self.metric, self.after, self.below, self.above = metric, after, below, above

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Look at the loss."""
        if batch_idx % LOOK_EVERY == 0:
            loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
            if isinstance(loss, Tensor) and not math.isfinite(float(loss)):
                raise Hopeless("nan", f"the loss is {float(loss)} in epoch {trainer.current_epoch + 1}")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the metric, once."""
        if self.metric is None or trainer.current_epoch + 1 != self.after:
            return
        if self.metric not in trainer.callback_metrics:
            known = ", ".join(sorted(trainer.callback_metrics)) or "none"
            raise ConfigError(
                f"fidelity: abort_metric: no metric {self.metric!r} is logged by then; logged are {known}."
            )
        value = float(trainer.callback_metrics[self.metric])
        if (self.below is not None and value < self.below) or (self.above is not None and value > self.above):
            raise Hopeless("stuck", f"{self.metric} is {value:.4g} after {self.after} epochs")


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
