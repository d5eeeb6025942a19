"""What a model (a LightningModule) owes its users."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningDataModule

import fulmen
from fulmen.testing.building import build
from fulmen.testing.comparing import first_difference
from fulmen.testing.component import ComponentConformance
from fulmen.testing.plain import train_plainly
from fulmen.testing.processes import in_fresh_processes
from fulmen.testing.training import (
    checkpoints_in,
    fit,
    make_trainer,
    not_finite,
    verbs_of,
    weights_of,
)


class ModelConformance(ComponentConformance):
    """Tests of a model; derive from it, name the ``component``, and ``data`` that it can be trained on.

    By default these are gray images of 8x8 pixels, of 4 classes.
    """

    kind = "model"

    def test_it_runs_every_verb_that_it_has_a_step_for(self, tmp_path: Path) -> None:
        """``fast_dev_run`` of fit, and of validate, test and predict where model and data have them."""
        model, data = self.make(), build(LightningDataModule, self.data_config)
        for verb in verbs_of(model, data):
            trainer = make_trainer(fulmen.Runner, tmp_path, fast_dev_run=True)
            getattr(trainer, verb)(model, datamodule=data)

    def test_its_checkpoint_loads(self, tmp_path: Path) -> None:
        """A checkpoint loads as data into a fresh model, strictly, and training goes on from it."""
        whole, going_on = (
            make_trainer(fulmen.Runner, tmp_path, keep=True),
            make_trainer(fulmen.Runner, tmp_path),
        )
        trained = fit(whole, self.config, self.data_config)
        *unfinished, last = checkpoints_in(tmp_path / "checkpoints")
        fresh = self.make()
        fresh.load_state_dict(torch.load(last, weights_only=True)["state_dict"])
        assert first_difference(weights_of(fresh), trained) is None

        resumed = fit(going_on, self.config, self.data_config, unfinished[-1])
        assert going_on.global_step == whole.global_step
        assert not_finite(resumed) == []

    @pytest.mark.process
    def test_it_works_in_plain_lightning(self, tmp_path: Path) -> None:
        """By class path in LightningCLI, by import in Trainer; checkpoints load there, fulmen's too."""
        runner = make_trainer(fulmen.Runner, tmp_path / "runner", keep=True)
        fit(runner, self.config, self.data_config)
        checkpoint = str(checkpoints_in(tmp_path / "runner" / "checkpoints")[-2])
        arguments = (str(tmp_path), self.config, self.data_config, (), checkpoint)
        (ended,) = in_fresh_processes(train_plainly, *arguments, folder=tmp_path)

        assert [not_finite(weights) for weights in ended.values()] == [[], [], []]
