"""The callback `predictions`: a line per image, in the order of the data."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from torch.utils.data import DataLoader, IterableDataset

from fulmen.errors import ConfigError, UserError
from fulmen_vision import Digits, ImageClassifier, ImageFolder, Predictions, SmallCNN

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:lightning", "ignore::UserWarning:torchmetrics")


def predicted(model, data, path: Path) -> tuple[torch.Tensor, list[dict[str, str]]]:
    trainer = Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, callbacks=[Predictions(str(path))]
    )
    answers = torch.cat(trainer.predict(model, data))
    with path.open(newline="") as file:
        return answers, list(csv.DictReader(file))


def test_the_table_holds_what_predict_returns(tmp_path):
    seed_everything(1, verbose=False)
    path = tmp_path / "new" / "predictions.csv"

    answers, rows = predicted(ImageClassifier(SmallCNN(width=8), 10), Digits(), path)

    assert list(rows[0]) == ["image", "predicted", *(f"p{n}" for n in range(10))]
    assert [int(row["image"]) for row in rows] == list(range(500))
    assert [int(row["predicted"]) for row in rows] == answers.argmax(1).tolist()
    table = torch.tensor([[float(row[f"p{n}"]) for n in range(10)] for row in rows])
    torch.testing.assert_close(table, answers, rtol=1e-5, atol=0)


def test_images_of_files_have_their_names(image_folder, tmp_path):
    data = ImageFolder(str(image_folder()), crop=32, resize=32, batch_size=3)
    model = ImageClassifier(SmallCNN(in_channels=3, width=4), 10)

    _, rows = predicted(model, data, tmp_path / "predictions.csv")

    files = data.predict_dataloader().dataset.files.paths
    assert [row["file"] for row in rows] == [str(path) for path in files]
    assert len(rows) == 12


class Otherwise(LightningModule):
    """Predicts a word a batch."""

    def predict_step(self, batch, batch_idx):
        return "yes"


def test_what_is_no_row_an_image_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"^predictions: the model predicts str; expected a tensor"):
        predicted(Otherwise(), Digits(), tmp_path / "predictions.csv")

    assert not list(tmp_path.iterdir())


class OfSeveral(ImageClassifier):
    """Takes several loaders."""

    def predict_step(self, batch, batch_idx, dataloader_idx=0):
        return super().predict_step(batch, batch_idx)


def test_two_loaders_are_refused(tmp_path):
    loaders = [Digits().test_dataloader(), Digits().test_dataloader()]

    with pytest.raises(UserError, match=r"^predictions: there are 2 loaders; expected one"):
        predicted(OfSeveral(SmallCNN(width=4), 10), loaders, tmp_path / "predictions.csv")


class Stream(IterableDataset):
    """Images of which nobody knows the places."""

    def __iter__(self):
        return iter(torch.zeros(4, 1, 8, 8))


def test_images_without_places_are_refused(tmp_path):
    loader = DataLoader(Stream(), batch_size=2)

    with pytest.raises(
        UserError, match=r"^predictions: 4 images were predicted, and Lightning knows the places"
    ):
        predicted(ImageClassifier(SmallCNN(width=4), 10), loader, tmp_path / "predictions.csv")


def test_another_ending_is_refused():
    with pytest.raises(ConfigError, match=r"^predictions: path is a\.npz; expected a file\.csv"):
        Predictions("a.npz")
