"""A small network with every awkward kind of layer, and a LightningModule that trains it on real digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from fulmen_zero_space_ecc.training.wot import WeightDistributionTraining
from fulmen_zero_space_ecc.weights.placement import placement

LAYOUTS = ("interleaved", "paper")
MODES = ("throttle", "hinge", "admm")


class ToyNet(nn.Module):
    """Convolution with and without bias, depthwise, batch normalisation, linear; 8x8 images."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU())
        self.depthwise = nn.Conv2d(12, 12, 3, stride=2, padding=1, groups=12)
        self.norm = nn.BatchNorm2d(12)
        self.head = nn.Linear(12 * 16, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.norm(self.depthwise(self.stem(images))).relu()
        return self.head(x.flatten(1))


class ToyClassifier(pl.LightningModule):
    """Trains `ToyNet`, or any other network, with SGD and momentum."""

    def __init__(self, network: nn.Module | None = None, lr: float = 0.1) -> None:
        super().__init__()
        self.network = ToyNet() if network is None else network
        self.lr = lr

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return F.cross_entropy(self.network(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_loss", F.cross_entropy(self.network(batch[0]), batch[1]))

    def test_step(self, batch: list[Tensor], batch_idx: int) -> None:
        scores = self.network(batch[0])
        self.log("test_loss", F.cross_entropy(scores, batch[1]))
        self.log("test_acc", (scores.argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), self.lr, momentum=0.9)


def digits(first: int, last: int, batch_size: int = 32) -> DataLoader[Any]:
    """Real digits in a fixed order, so that only the training can differ."""
    data = load_digits()
    images = torch.tensor(data.images[first:last, None], dtype=torch.float32) / 16
    return DataLoader(TensorDataset(images, torch.tensor(data.target[first:last])), batch_size)


def trainer(callbacks: list[Any], **options: Any) -> pl.Trainer:
    """A quiet Trainer on the CPU: two epochs unless told otherwise."""
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    defaults = {"max_epochs": 2, "accelerator": "cpu", "enable_model_summary": False, **quiet}
    return pl.Trainer(**{**defaults, **options}, callbacks=callbacks)


def fit(callbacks: list[Any], model: pl.LightningModule | None = None, **options: Any) -> pl.LightningModule:
    """Train a fresh toy on 256 digits and return it."""
    pl.seed_everything(1, verbose=False)
    model = ToyClassifier() if model is None else model
    ckpt_path: Path | None = options.pop("ckpt_path", None)
    trainer(callbacks, **options).fit(model, digits(0, 256), digits(256, 384), ckpt_path=ckpt_path)
    return model


def outside(model: nn.Module, wot: WeightDistributionTraining) -> int:
    """Count held weights outside [-64, 63] from first principles, by the scales that wot saved."""
    scales = wot.state_dict()["frozen"]["scales"]
    count = 0
    for segment in placement(model, wot.layout, wot.ignore).segments:
        scale = torch.tensor(scales[segment.name]).double()  # nested lists broadcast, one a channel
        integers = torch.round(model.get_parameter(segment.name).detach().double() / scale)
        count += int(((integers < -64) | (integers > 63))[segment.held_mask()].sum())
    return count


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    """Whether two models hold the same parameters and buffers, bit for bit."""
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
