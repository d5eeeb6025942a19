"""Two processes train on every image once, and log and predict what one process would."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything

from fulmen.testing.processes import in_fresh_processes
from fulmen_vision import Digits, ImageClassifier, Predictions, SmallCNN

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore::UserWarning")]


class Watched(ImageClassifier):
    """Remembers the images that it was trained on."""

    seen: tuple[str, ...] = ()

    def training_step(self, batch, batch_idx):
        self.seen = (*self.seen, *(image.numpy().tobytes().hex() for image in batch[0]))
        return super().training_step(batch, batch_idx)


def fit_test_predict(folder: str) -> tuple[dict[str, float], dict[str, float], list[str]]:
    """Be one of two processes: what it logs in validation and in test, and the images it has seen."""
    seed_everything(1)
    trainer = Trainer(
        strategy="ddp",
        devices=2,
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Predictions(f"{folder}/predictions.csv")],
    )
    model, data = Watched(SmallCNN(width=8), 10), Digits(limit_train=400)
    trainer.fit(model, data)
    fitted = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("val_")}
    trainer.save_checkpoint(Path(folder) / "model.ckpt")
    tested = trainer.test(model, data, verbose=False)[0]
    trainer.predict(model, data)
    return fitted, tested, list(model.seen)


def test_two_processes_log_what_one_would(tmp_path):
    ranks = in_fresh_processes(fit_test_predict, str(tmp_path), folder=tmp_path, count=2, timeout=240)

    data = Digits(limit_train=400)
    one = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    model = ImageClassifier.load_from_checkpoint(
        tmp_path / "model.ckpt", network=SmallCNN(width=8), num_classes=10
    )
    expected = [one.validate(model, data, verbose=False)[0], one.test(model, data, verbose=False)[0]]

    for fitted, tested, _ in ranks:
        assert [fitted, tested] == [pytest.approx(metrics, abs=1e-6) for metrics in expected]
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["image"]) for row in rows] == list(range(500))
    alone = torch.cat(one.predict(model, data))
    both = torch.tensor([[float(row[f"p{n}"]) for n in range(10)] for row in rows])
    torch.testing.assert_close(both, alone, rtol=1e-4, atol=1e-6)
    train = data.dataset("train")
    images = sorted(train[i][0].numpy().tobytes().hex() for i in range(len(train)))
    assert sorted(ranks[0][2] + ranks[1][2]) == images
    assert len(ranks[0][2]) == len(ranks[1][2])
