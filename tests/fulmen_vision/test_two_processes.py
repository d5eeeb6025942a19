"""Two processes train on every image once and log what one process would."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from lightning.pytorch import Trainer

from fulmen_vision import Digits, ImageClassifier, SmallCNN

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore::UserWarning")]

SCRIPT = """
import json, pathlib, sys
import torch
from lightning.pytorch import Trainer, seed_everything
from fulmen_vision import Digits, ImageClassifier, SmallCNN

class Watched(ImageClassifier):
    seen = ()
    def training_step(self, batch, batch_idx):
        self.seen = (*self.seen, *(image.numpy().tobytes().hex() for image in batch[0]))
        return super().training_step(batch, batch_idx)

folder = pathlib.Path(sys.argv[1])
seed_everything(1)
trainer = Trainer(strategy="ddp", devices=2, accelerator="cpu", max_epochs=1, logger=False,
                  default_root_dir=folder, enable_progress_bar=False, enable_model_summary=False)
model, data = Watched(SmallCNN(width=8), 10), Digits(limit_train=400)
trainer.fit(model, data)
fitted = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("val_")}
trainer.save_checkpoint(folder / "model.ckpt")
tested = trainer.test(model, data, verbose=False)[0]
(folder / f"rank{trainer.global_rank}.json").write_text(json.dumps([fitted, tested, model.seen]))
"""


def test_two_processes_log_what_one_would(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    ranks = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1)]

    data = Digits(limit_train=400)
    one = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    model = ImageClassifier.load_from_checkpoint(
        tmp_path / "model.ckpt", network=SmallCNN(width=8), num_classes=10
    )
    expected = [one.validate(model, data, verbose=False)[0], one.test(model, data, verbose=False)[0]]

    for fitted, tested, _ in ranks:
        assert [fitted, tested] == [pytest.approx(metrics, abs=1e-6) for metrics in expected]
    train = data.dataset("train")
    images = sorted(train[i][0].numpy().tobytes().hex() for i in range(len(train)))
    assert sorted(ranks[0][2] + ranks[1][2]) == images
    assert len(ranks[0][2]) == len(ranks[1][2])
