"""What ``predict`` says of each image, as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from lightning.pytorch.utilities import rank_zero_info
from torch import distributed

import fulmen
from fulmen.errors import ConfigError, UserError


class Predictions(BasePredictionWriter):
    """Writes what ``predict`` gives for each image, from all processes, in the order of the data.

    The file has a line per image: ``image``, its place in the data from 0; ``file``, where the data set has
    ``names``, a text for each item; ``predicted``, the class of the greatest probability; ``p0``, ``p1`` and
    so on, what the model's ``predict_step`` gave: class probabilities, for `image_classifier`.

    Args:
        path: The file, ``.csv``; whole or not at all. An earlier one is replaced.

    Raises:
        ConfigError: the path does not end in ``.csv`` (at once).
        UserError: the model predicts something else than a tensor of shape (batch, classes), there are
            several loaders, or one without places (when it has predicted).
    """

    def __init__(self, path: str = "predictions.csv") -> None:
        super().__init__(write_interval="epoch")
        if not path.endswith(".csv"):
            raise ConfigError(f"predictions: path is {path}; expected a file.csv: change its name.")
        self.path = Path(path)

    def write_on_epoch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        predictions: Sequence[Any],
        batch_indices: Sequence[Any],
    ) -> None:
        """Bring all processes' together and write them."""
        if len(batch_indices) > 1:
            raise UserError(
                f"predictions: there are {len(batch_indices)} loaders; expected one, or one table holds two "
                "images of each place: leave this callback out."
            )
        places, rows_ = _flat(batch_indices), _rows(predictions)
        if len(places) != len(rows_):
            raise UserError(
                f"predictions: {len(rows_)} images were predicted, and Lightning knows the places of "
                f"{len(places)}; expected a map-style data set behind a DataLoader: leave this callback out."
            )
        rows = dict(zip(places, rows_, strict=True))
        if distributed.is_initialized():
            everyones: list[Any] = [None] * trainer.world_size
            distributed.gather_object(rows, everyones if trainer.is_global_zero else None)
            if not trainer.is_global_zero:
                return
            rows = {place: row for part in everyones for place, row in part.items()}
        loader = trainer.predict_dataloaders
        names = getattr(getattr(loader, "dataset", None), "names", None)
        fulmen.write_artifact(self.path, table(rows, names))
        rank_zero_info(f"{self.path}: predictions for {len(rows):,} images")


def table(rows: dict[int, list[float]], names: Sequence[str] | None = None) -> str:
    """Return the table as CSV.

    Args:
        rows: Place of an image to what was predicted for it: a number per class.
        names: Of the images, by their places; None: they have none.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    classes = len(next(iter(rows.values()), []))
    writer.writerow(["image", *["file"] * bool(names), "predicted", *(f"p{n}" for n in range(classes))])
    for place, row in sorted(rows.items()):
        named = [names[place]] if names else []
        writer.writerow([place, *named, row.index(max(row)), *(f"{value:.6g}" for value in row)])
    return text.getvalue()


def _flat(batch_indices: Sequence[Any]) -> list[int]:
    """Return the places of all items; Lightning has them by data loader and by batch."""
    return [place for loader in batch_indices for batch in loader for place in batch]


def _rows(predictions: Sequence[Any]) -> list[list[float]]:
    for batch in predictions:
        if not (isinstance(batch, torch.Tensor) and batch.ndim == 2):
            tensor = isinstance(batch, torch.Tensor)
            found = f"a tensor of shape {tuple(batch.shape)}" if tensor else type(batch).__name__
            raise UserError(
                f"predictions: the model predicts {found}; expected a tensor of shape (batch, classes): "
                "leave this callback out."
            )
    return [row for batch in predictions for row in batch.tolist()]
