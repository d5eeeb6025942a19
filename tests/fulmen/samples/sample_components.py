"""Components that are good, and components that break one promise each, for the tests of the kit."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import nn
from torch.utils.data import DataLoader

import fulmen
from fulmen.testing.toys import ToyClassifier, ToyImages


class Good(Callback):
    """Shrinks the weights, more and more, and remembers how much.

    Args:
        factor: By which they are shrunk after an epoch.
    """

    def __init__(self, factor: float = 0.9) -> None:
        self.factor = factor
        self.power = 0

    def on_train_epoch_end(self, trainer, pl_module):
        self.power += 1
        with torch.no_grad():
            for parameter in pl_module.parameters():
                parameter.mul_(self.factor**self.power)

    def state_dict(self):
        return {"power": self.power}

    def load_state_dict(self, state_dict):
        self.power = state_dict["power"]


class Forgets(Good):
    """Saves no state."""

    def state_dict(self):
        return {}


class NumpyState(Good):
    """Saves what is no plain data."""

    def state_dict(self):
        return {"power": np.float64(self.power)}


class LoadsNothing(Callback):
    """Saves a state and does not take it back; it matters to nobody."""

    def __init__(self) -> None:
        self.seen = 0

    def on_train_batch_end(self, *args):
        self.seen += 1

    def state_dict(self):
        return {"seen": self.seen}


class LosesGradients(Callback):
    """Clears the gradients after each batch."""

    def on_train_batch_end(self, trainer, pl_module, *args):
        pl_module.zero_grad()


class Steps(Callback):
    """Steps the optimiser itself after each batch."""

    def on_train_batch_end(self, trainer, pl_module, *args):
        trainer.optimizers[0].step()


class NeedsTheRunner(Callback):
    """Works with fulmen alone."""

    def on_fit_start(self, trainer, pl_module):
        if type(trainer) is Trainer:
            raise TypeError("a Runner is needed")


class TellsRanksApart(Callback):
    """Ends with other weights in each process."""

    def on_train_end(self, trainer, pl_module):
        with torch.no_grad():
            next(pl_module.parameters()).add_(trainer.global_rank)


class NeedsManyBatches(Callback):
    """Divides by the number of steps less one."""

    def on_train_end(self, trainer, pl_module):
        _ = 1 / (trainer.global_step - 1)


class Unexplained(Callback):
    """Has options of which nobody knows what they are.

    Args:
        typed: Known.
        untyped: Known, but for its type.
    """

    def __init__(self, typed: int = 1, untyped=2, undocumented: int = 3) -> None: ...


class SavesAPath(ToyClassifier):
    """Keeps a path among its hyper-parameters.

    Args:
        lr: The learning rate.
        folder: A folder.
    """

    def __init__(self, lr: float = 0.05, folder: str = "here") -> None:
        super().__init__(lr)
        self.save_hyperparameters({"folder": Path(folder)})


class CannotPredict(ToyClassifier):
    """Fails in one of its verbs."""

    def predict_step(self, batch, batch_idx):
        raise NotImplementedError


class OneTooMany(nn.Module):
    """Returns an item too many.

    Args:
        classes: Scores per image.
    """

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.layer = nn.Linear(64, classes)

    def forward(self, images):
        scores = self.layer(images.flatten(1))
        return torch.cat([scores, scores[:1]])


class GoodNetwork(OneTooMany):
    """Returns what it should."""

    def forward(self, images):
        return self.layer(images.flatten(1))


class HiddenScale(GoodNetwork):
    """Draws a number that its state_dict does not have."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__(classes)
        self.scale = torch.rand(())

    def forward(self, images):
        return super().forward(images) * self.scale


class Unseeded(GoodNetwork):
    """Starts from weights that no seed governs."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__(classes)
        nn.init.constant_(self.layer.bias, int.from_bytes(os.urandom(2)) / 2**16)


class Detached(GoodNetwork):
    """Lets no gradient through."""

    def forward(self, images):
        return super().forward(images).detach()


class ChangingOrder(ToyImages):
    """Begins with another image each time."""

    calls = itertools.count()  # of all instances

    def train_dataloader(self):
        dataset = super().train_dataloader().dataset
        first = next(self.calls) % len(dataset)
        return DataLoader(dataset, 8, sampler=[first, *range(len(dataset))])


class Growing(LightningDataModule):
    """Has more items after each ``setup``."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[float] = []

    def setup(self, stage):
        self.items += [1.0, 2.0]

    def train_dataloader(self):
        return DataLoader(self.items)


class NoTests(ToyImages):
    """Has a loader that gives nothing."""

    def test_dataloader(self):
        return DataLoader([])


class GoodAnalyzer(fulmen.Analyzer):
    """Squares three numbers, each a piece of work."""

    def analyze(self, context):
        CALLS.clear()
        squares = context.map(square, [1, 2, 3], "squares")
        weights = 0 if context.model is None else sum(p.numel() for p in context.model.parameters())
        return fulmen.Report(scalars={"sum": sum(squares), "weights": weights})


class Draws(GoodAnalyzer):
    """Draws from the global random stream."""

    def analyze(self, context):
        torch.rand(1)
        return super().analyze(context)


class ChangesTheModel(GoodAnalyzer):
    """Leaves a weight changed."""

    def analyze(self, context):
        if context.model is not None:
            next(context.model.parameters()).data += 1
        return super().analyze(context)


class NeverTheSame(fulmen.Analyzer):
    """Reports what no seed governs."""

    def analyze(self, context):
        return fulmen.Report(scalars={"drawn": int.from_bytes(os.urandom(4))})


class CountsItsWork(GoodAnalyzer):
    """Reports how much of the work was done just now."""

    def analyze(self, context):
        report = super().analyze(context)
        report.scalars["calls"] = len(CALLS)
        return report


class TakesAModelForGranted(GoodAnalyzer):
    """Stumbles where there is no model."""

    def analyze(self, context):
        context.model.eval()
        return super().analyze(context)


CALLS: list[int] = []


def square(number: int) -> int:
    CALLS.append(number)
    return number**2


class GoodStrategy(DDPStrategy):
    """Lightning's own, under another name."""


class OneDevice(SingleDeviceStrategy):
    """Lightning's own for one device, which is found by itself."""

    def __init__(self, **others: Any) -> None:
        super().__init__(torch.device("cpu"), **others)


class DoublesTheLoss(OneDevice):
    """Trains twice as fast."""

    def backward(self, closure_loss, *args, **kwargs):
        return super().backward(2 * closure_loss, *args, **kwargs)


class RenamesKeys(OneDevice):
    """Saves the weights under other names."""

    def lightning_module_state_dict(self):
        return {f"inner.{name}": value for name, value in super().lightning_module_state_dict().items()}

    def load_model_state_dict(self, checkpoint, strict=True):
        state = {name.removeprefix("inner."): value for name, value in checkpoint["state_dict"].items()}
        super().load_model_state_dict({"state_dict": state}, strict)
