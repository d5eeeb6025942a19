"""What does not work in today's torch and Lightning; each test tells when it does."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel

from fulmen import Runner


class Logging(BoringModel):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)["loss"]
        self.log("train_loss", loss)
        return loss


def fit(model, folder):
    trainer = Runner(
        fast_dev_run=2, accelerator="cpu", default_root_dir=folder, enable_progress_bar=False, logger=False
    )
    trainer.fit(torch.compile(model, backend="eager"))
    return trainer


@pytest.mark.xfail(
    strict=True, reason="Lightning#21836: self.log() in a compiled module fails from torch 2.12 on"
)
def test_a_compiled_module_that_logs(tmp_path):
    assert "train_loss" in fit(Logging(), tmp_path).callback_metrics


def test_a_compiled_module_that_does_not_log(tmp_path):
    assert fit(BoringModel(), tmp_path).global_step == 2
