"""A problem whose solution and the way to it are known: least squares by gradient descent.

However a strategy divides a batch among processes, the mean gradient is that of the batch, so that every
strategy must go the same way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

COUNT, INPUTS, BATCHES, LR = 32, 4, 2, 0.5
EPOCHS_TO_SOLUTION = 12


def problem() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return inputs (32, 4), targets (32,) and the weights (4,) that solve the problem, float64."""
    inputs = np.random.Generator(np.random.Philox(1)).choice([-1.0, 1.0], (COUNT, INPUTS))
    solution = np.array([1.0, -2.0, 3.0, 0.5])
    return inputs, inputs @ solution, solution


def descend(epochs: int) -> np.ndarray[Any, Any]:
    """Return the weights (4,) after some epochs of two steps each from zero, computed by hand."""
    inputs, targets, _ = problem()
    weights = np.zeros(INPUTS)
    size = COUNT // BATCHES
    for _ in range(epochs):
        for half in (slice(None, size), slice(size, None)):
            weights -= LR * inputs[half].T @ (inputs[half] @ weights - targets[half]) / size
    return weights


class Regression(LightningModule):
    """Linear least squares from zero weights, half the mean square as the loss."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(INPUTS, 1, bias=False)
        nn.init.zeros_(self.layer.weight)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """Return the loss."""
        inputs, targets = batch
        found: Tensor = self.layer(inputs.to(self.layer.weight.dtype)).squeeze(1)
        return 0.5 * (found - targets).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return plain gradient descent."""
        return torch.optim.SGD(self.parameters(), LR)


class RegressionData(LightningDataModule):
    """Two batches, shared by the processes among which a strategy divides the data."""

    def train_dataloader(self) -> DataLoader[Any]:
        """Return two batches per process."""
        inputs, targets, _ = problem()
        tensors = TensorDataset(torch.tensor(inputs), torch.tensor(targets))
        # A strategy that says nothing about sampling has every process see everything. The sampler that
        # Lightning would put in otherwise shuffles.
        sampling = self.trainer.distributed_sampler_kwargs if self.trainer else None
        if sampling is None:
            return DataLoader(tensors, batch_size=COUNT // BATCHES)
        sampler: DistributedSampler[Any] = DistributedSampler(tensors, shuffle=False, **sampling)
        return DataLoader(tensors, batch_size=len(sampler) // BATCHES, sampler=sampler)
