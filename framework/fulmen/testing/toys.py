"""The model and the data that a component is tried with where its suite names none."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

CLASSES, SIZE = 4, 8  # classes of images, their height and width


class ToyClassifier(LightningModule):
    """A convolution, a batch normalisation and a linear layer, trained with momentum.

    Takes float images of shape (n, 1, 8, 8) and labels of 4 classes; logs ``train_loss``,
    ``val_loss`` and ``val_acc``. Draws nothing at random once it is built, so that a resumed run can
    equal an uninterrupted one bit for bit.

    Args:
        lr: The learning rate.
    """

    def __init__(self, lr: float = 0.05) -> None:
        super().__init__()
        self.lr = lr
        self.network = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(6 * SIZE * SIZE, CLASSES),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return scores, shape (n, 4)."""
        scores: Tensor = self.network(images)
        return scores

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """Return the batch's loss."""
        loss = functional.cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        """Log the validation loss and accuracy."""
        scores = self(batch[0])
        self.log("val_loss", functional.cross_entropy(scores, batch[1]), sync_dist=True)
        self.log("val_acc", (scores.argmax(1) == batch[1]).float().mean(), sync_dist=True)

    def test_step(self, batch: list[Tensor], batch_idx: int) -> None:
        """Log the test loss."""
        self.log("test_loss", functional.cross_entropy(self(batch[0]), batch[1]), sync_dist=True)

    def predict_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """Return class probabilities."""
        probabilities: Tensor = self(batch[0]).softmax(1)
        return probabilities

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return an optimiser that has a state."""
        return torch.optim.SGD(self.parameters(), self.lr, momentum=0.9)


class ToyImages(LightningDataModule):
    """Images of 8x8 pixels with a bright column that tells their class, always the same ones.

    Four training batches and two of every other kind, in a fixed order.

    Args:
        batch_size: Images per batch.
    """

    def __init__(self, batch_size: int = 8) -> None:
        super().__init__()
        self.batch_size = batch_size

    def train_dataloader(self) -> DataLoader[Any]:
        """Return four batches."""
        return self._loader(4 * self.batch_size, seed=0)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return two batches."""
        return self._loader(2 * self.batch_size, seed=1)

    def test_dataloader(self) -> DataLoader[Any]:
        """Return two batches."""
        return self._loader(2 * self.batch_size, seed=2)

    def predict_dataloader(self) -> DataLoader[Any]:
        """Return the test batches."""
        return self.test_dataloader()

    def _loader(self, count: int, seed: int) -> DataLoader[Any]:
        images = torch.rand(count, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
        labels = torch.arange(count) % CLASSES
        images[torch.arange(count), 0, :, 2 * labels] += 1
        return DataLoader(TensorDataset(images, labels), batch_size=self.batch_size)


class AnyBatch(LightningModule):
    """A model that trains on whatever a batch is, by not looking at it: for data alone."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return a loss."""
        return self.weight.square().sum()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Do nothing."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return an optimiser."""
        return torch.optim.SGD(self.parameters(), 0.1)
