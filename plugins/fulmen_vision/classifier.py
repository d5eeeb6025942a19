"""The LightningModule that trains any network to classify images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC, MulticlassF1Score

from fulmen.errors import CheckpointError, ConfigError
from fulmen_vision.format_error import FormatError
from fulmen_vision.state_dict_file import load_state_dict_file


class ImageClassifier(LightningModule):
    """Trains a network on images and labels, and says how good it is.

    Logs ``train_loss`` in each step; after each epoch ``val_loss``, ``val_acc``, ``val_f1`` and
    ``val_auroc``, over all images of all processes; ``test_*`` likewise. F1 (harmonic mean of precision
    and recall) and AUROC (one class against the rest) are means over the classes, unweighted.
    ``predict`` gives class probabilities, float32 of shape (batch, num_classes).

    Batches are pairs of images and int64 labels of shape (batch,).

    A checkpoint of a run that LightningCLI or fulmen configured rebuilds everything by
    ``load_from_checkpoint(path)``; one of a model made in Python takes
    ``load_from_checkpoint(path, network=..., num_classes=...)``.

    Args:
        network: Maps a batch of images to scores (logits) of shape (batch, num_classes).
        num_classes: How many classes there are.
        loss: Maps scores and labels to a number; None: cross entropy.
        optimizer: Makes the optimiser of the parameters it is given. LightningCLI's own
            ``--optimizer`` overrides it.
        scheduler: Makes the learning-rate schedule of the optimiser it is given, stepped after each
            epoch; None: a constant rate. ReduceLROnPlateau watches its ``monitor``, or ``val_loss``.
        weights: A local file with a bare state dict of the network, such as torchvision's checkpoints,
            to begin from; None: from random weights. A checkpoint of the run holds all weights itself
            and does not ask for the file again.
        weights_ignore: Names of layers of the network (``fc``) that ``weights`` shall not fill, such as
            a head for other classes; None: none.

    Raises:
        CheckpointError: ``weights`` is missing, damaged, or of another network (at once).
        UserError: the network's scores or the data's classes are not as many as ``num_classes``
            (when the run starts).
    """

    def __init__(
        self,
        network: torch.nn.Module,
        num_classes: int,
        loss: torch.nn.Module | None = None,
        optimizer: OptimizerCallable = torch.optim.Adam,
        scheduler: LRSchedulerCallable | None = None,
        weights: str | None = None,
        weights_ignore: list[str] | None = None,
    ) -> None:
        super().__init__()
        # A checkpoint must load under weights_only=True, so no module or callable may enter it. Under
        # LightningCLI the hyperparameters are the parsed config (known by its "_instantiator"): plain data,
        # from which load_from_checkpoint builds the network again. Otherwise none are kept, since
        # LightningCLI's --ckpt_path trips over hyperparameters without a class path.
        options = ["network", "num_classes", "loss", "optimizer", "scheduler", "weights", "weights_ignore"]
        self.save_hyperparameters(ignore=options)
        if "_instantiator" in self.hparams:
            self.save_hyperparameters()
            # A checkpoint stands for itself: whoever loads it need not have the file it began from.
            self.hparams.update(weights=None, weights_ignore=None)
        if weights is None and weights_ignore:
            raise ConfigError(
                f"model: weights_ignore is {weights_ignore} without weights; give the file of weights too."
            )
        if weights is not None:
            try:
                load_state_dict_file(network, Path(weights), weights_ignore or ())
            except FormatError as error:
                raise CheckpointError(f"model: weights: {error}") from error
        self.network = network
        self.num_classes = num_classes
        self.loss = nn.CrossEntropyLoss() if loss is None else loss
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.val_metrics = _metrics(num_classes, "val_")
        self.test_metrics = _metrics(num_classes, "test_")

    def setup(self, stage: str) -> None:
        """Refuse data with more classes than the model has."""
        classes = getattr(getattr(self.trainer, "datamodule", None), "num_classes", None)
        if classes is not None and classes > self.num_classes:
            raise ConfigError(
                f"model: num_classes is {self.num_classes}; the data has {classes} classes: "
                f"set num_classes to {classes}, in the model and in its network."
            )

    def forward(self, images: Tensor) -> Tensor:
        """Return the network's scores, shape (batch, num_classes)."""
        scores: Tensor = self.network(images)
        if scores.shape[1:] != (self.num_classes,):
            raise ConfigError(
                f"model: the network gives scores of shape {tuple(scores.shape)}; expected (batch, "
                f"{self.num_classes}) for num_classes {self.num_classes}: give both the same number."
            )
        return scores

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the batch's loss."""
        images, labels = batch
        loss: Tensor = self.loss(self(images), labels)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add a batch to the epoch's validation metrics."""
        self._evaluate(batch, "val", self.val_metrics)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add a batch to the test metrics."""
        self._evaluate(batch, "test", self.test_metrics)

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return class probabilities for a batch of images, or of images and labels."""
        return _probabilities(self(batch[0] if isinstance(batch, (tuple, list)) else batch))

    def _evaluate(self, batch: tuple[Tensor, Tensor], stage: str, metrics: MetricCollection) -> None:
        images, labels = batch
        scores = self(images)
        metrics.update(_probabilities(scores), labels)
        # Lightning weighs the loss by batch_size over batches and processes; metrics gather themselves.
        self.log(
            f"{stage}_loss", self.loss(scores, labels), on_epoch=True, sync_dist=True, batch_size=len(labels)
        )
        self.log_dict(metrics, on_epoch=True, prog_bar=stage == "val")

    def configure_optimizers(self) -> Any:
        """Make the optimiser and its schedule."""
        optimizer = self.optimizer(self.parameters())
        if self.scheduler is None:
            return optimizer
        scheduler = self.scheduler(optimizer)
        # Only ReduceLROnPlateau needs a metric to watch; LightningCLI's class names one, torch's does not.
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "monitor": getattr(scheduler, "monitor", "val_loss")},
        }


def _metrics(num_classes: int, prefix: str) -> MetricCollection:
    return MetricCollection(
        {
            "acc": MulticlassAccuracy(num_classes, average="micro"),
            "f1": MulticlassF1Score(num_classes, average="macro"),
            "auroc": MulticlassAUROC(num_classes, average="macro"),
        },
        prefix=prefix,
    )


def _probabilities(scores: Tensor) -> Tensor:
    # In float32 whatever the precision of the run: bfloat16 ties scores that AUROC must rank.
    return scores.float().softmax(dim=-1)
