"""A witness of gradient accumulation: who steps the optimisers, and what becomes of gradients between."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer


class AccumulationWitness(Callback):
    """Watches a run whose gradients are accumulated; put it after what it watches.

    Attributes:
        wrong_steps: The batches in which an optimiser stepped that should not have, whoever called it.
        lost: Parameters whose gradient was changed between two batches of one step.
    """

    def __init__(self) -> None:
        self.wrong_steps: list[int] = []
        self.lost: set[str] = set()
        self._kept: dict[str, torch.Tensor] = {}
        self._steps = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the steps."""
        for optimizer in trainer.optimizers:
            optimizer.register_step_post_hook(self._count)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Compare: what the batch before has left must still be there, unless it was stepped with."""
        if batch_idx % trainer.accumulate_grad_batches == 0:
            return
        for name, gradient in self._kept.items():
            now = pl_module.get_parameter(name).grad
            if now is None or not torch.equal(now, gradient):
                self.lost.add(name)

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep what was accumulated so far."""
        self._kept = {
            name: parameter.grad.clone()
            for name, parameter in pl_module.named_parameters()
            if parameter.grad is not None
        }

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Compare with the steps that Lightning made."""
        if self._steps != trainer.global_step:
            self.wrong_steps.append(batch_idx)

    def _count(self, *args: Any) -> None:
        self._steps += 1
