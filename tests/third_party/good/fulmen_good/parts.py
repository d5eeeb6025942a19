"""A class of each kind, as small as they come. Short names are not folded class names, on purpose."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import SingleDeviceStrategy, Strategy
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from fulmen import Analyzer, Engine, Evaluation, Outcome, Report, Searcher

said = []
"""What callbacks of this process said."""


class Solo(SingleDeviceStrategy):
    """Trains on one CPU.

    Args:
        lanes: Is kept.
    """

    def __init__(self, lanes: int = 1) -> None:
        super().__init__(device=torch.device("cpu"))
        self.lanes = lanes


class Salutation(Callback):
    """Says words at the start of each verb.

    Args:
        words: What is said.
        colour: Is kept.
    """

    def __init__(self, words: str = "hello", colour: str = "red") -> None:
        self.words, self.colour = words, colour

    def setup(self, trainer, pl_module, stage):
        said.append(f"{self.words} {trainer.state.fn.value}")


class DiceSearcher(Searcher):
    """Proposes nothing.

    Args:
        sides: Is kept.
    """

    def __init__(self, sides: int = 6) -> None:
        self.sides = sides

    def ask(self):
        return None

    def tell(self, candidate, evaluation: Evaluation):
        pass

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class ImmediateEngine(Engine):
    """Forgets each task as it comes.

    Args:
        workers: Is kept.
    """

    slots = 1

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers

    def submit(self, task):
        pass

    def poll(self, timeout) -> list[Outcome]:
        return []

    def cancel(self, key):
        pass

    def close(self):
        pass


class AffineMap(nn.Module):
    """A linear layer.

    Args:
        features: How many numbers go in.
        spare: How many more numbers a checkpoint holds.
    """

    def __init__(self, features: int = 2, spare: int = 0) -> None:
        super().__init__()
        self.layer = nn.Linear(features, 1)
        self.register_buffer("unused", torch.zeros(spare))

    def forward(self, points):
        return self.layer(points)


class LinearRegression(LightningModule):
    """Fits a network to points.

    Args:
        network: Maps a point to one number.
        rate: Of learning.
        fault: An exception to raise in the first training step; None for none.
    """

    def __init__(self, network: nn.Module, rate: float = 0.1, fault: str | None = None) -> None:
        super().__init__()
        self.network, self.rate, self.fault = network, rate, fault

    def training_step(self, batch, batch_index):
        if self.fault is not None:
            raise RuntimeError(self.fault)
        points, values = batch
        return nn.functional.mse_loss(self.network(points), values)

    def validation_step(self, batch, batch_index):
        self.log("val_loss", self.training_step(batch, batch_index))

    def test_step(self, batch, batch_index):
        self.log("test_loss", self.training_step(batch, batch_index))

    def predict_step(self, batch, batch_index):
        return self.network(batch[0])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.rate)


class RandomPoints(LightningDataModule):
    """Points of a plane and their sums.

    Args:
        count: How many.
    """

    def __init__(self, count: int = 8) -> None:
        super().__init__()
        self.count = count

    def train_dataloader(self):
        points = torch.rand(self.count, 2)
        return DataLoader(TensorDataset(points, points.sum(1, keepdim=True)), batch_size=2)

    val_dataloader = test_dataloader = predict_dataloader = train_dataloader


class Flavour:
    """The base class of a kind that this plugin opens."""


class VanillaFlavour(Flavour):
    """A flavour.

    Args:
        sweetness: Is kept.
    """

    def __init__(self, sweetness: int = 1) -> None:
        self.sweetness = sweetness


class ParameterCensus(Analyzer):
    """Counts parameters. It takes a component of each kind, so that each can be named inside it.

    Args:
        scale: What the count is multiplied by.
        strategy: Is kept, like all below.
        callback: A callback.
        searcher: A searcher.
        analyzer: An analyzer.
        engine: An engine.
        model: A model.
        network: A network.
        data: Data.
        flavour: A flavour.
    """

    def __init__(
        self,
        scale: float = 1.0,
        strategy: Strategy | None = None,
        callback: Callback | None = None,
        searcher: Searcher | None = None,
        analyzer: Analyzer | None = None,
        engine: Engine | None = None,
        model: LightningModule | None = None,
        network: nn.Module | None = None,
        data: LightningDataModule | None = None,
        flavour: Flavour | None = None,
    ) -> None:
        self.scale, self.flavour = scale, flavour

    def analyze(self, context):
        parameters = [] if context.model is None else list(context.model.parameters())
        return Report(scalars={"parameters": self.scale * sum(p.numel() for p in parameters)})
