"""What a strategy owes its users."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from fulmen.testing.building import build
from fulmen.testing.comparing import first_difference
from fulmen.testing.component import ComponentConformance
from fulmen.testing.plain import train_plainly
from fulmen.testing.processes import in_fresh_processes
from fulmen.testing.regression import EPOCHS_TO_SOLUTION, descend, problem
from fulmen.testing.training import checkpoints_in, fit, fit_with_strategy, make_trainer, not_finite

REGRESSION: Mapping[str, Any] = {"class_path": "fulmen.testing.regression.Regression"}
REGRESSION_DATA: Mapping[str, Any] = {"class_path": "fulmen.testing.regression.RegressionData"}


@pytest.mark.process
class StrategyConformance(ComponentConformance):
    """Tests of a strategy; derive from it and name the ``component``.

    ``model`` is by default a regression whose way to its solution is known; ``data`` must be such that
    one device and several see the same.

    Attributes:
        processes: How many there are; each test starts so many.
        tolerance: By how much a weight may differ from one device's, relative to the largest.
        precisions: Each ``trainer.precision`` that it is to support, and the tolerance then.
    """

    kind = "strategy"
    processes: int = 1
    model = REGRESSION
    data = REGRESSION_DATA
    tolerance: float = 1e-5
    precisions: Mapping[str, float] = {"64-true": 1e-12, "bf16-mixed": 2e-2}

    def weights_in(self, checkpoint: Path) -> dict[str, Tensor]:
        """Return a checkpoint's weights; override it for a strategy that writes folders."""
        weights: dict[str, Tensor] = torch.load(checkpoint, weights_only=True)["state_dict"]
        return weights

    def fit(self, folder: Path, ckpt_path: Path | None = None, **options: Any) -> list[Path]:
        """Train with the strategy in as many processes as it wants and return the checkpoints."""
        folder.mkdir(parents=True)
        resumed = None if ckpt_path is None else str(ckpt_path)
        configs = (self.model_config, self.data_config, self.config)
        arguments = (str(folder), *configs, self.processes, options, resumed)
        in_fresh_processes(fit_with_strategy, *arguments, folder=folder, count=self.processes)
        return checkpoints_in(folder / "checkpoints")

    def check_equal(self, folder: Path, tolerance: float, **options: Any) -> None:
        """Compare the weights that the strategy ends with with those of one device without it."""
        ours = self.weights_in(self.fit(folder / "ours", **options)[-1])
        one_device = make_trainer(Trainer, folder / "one", **options)
        theirs = fit(one_device, self.model_config, self.data_config)
        assert ours.keys() == theirs.keys()
        for name, expected in theirs.items():
            allowed = tolerance * float(expected.abs().max())
            np.testing.assert_allclose(ours[name], expected, rtol=0, atol=allowed, err_msg=name)

    def test_it_equals_one_device(self, tmp_path: Path) -> None:
        """The same training on one device ends with the same weights."""
        self.check_equal(tmp_path, self.tolerance)

    def test_it_accumulates_gradients(self, tmp_path: Path) -> None:
        """``accumulate_grad_batches`` does what it does on one device."""
        self.check_equal(tmp_path, self.tolerance, accumulate_grad_batches=2)

    def test_it_clips_gradients(self, tmp_path: Path) -> None:
        """``gradient_clip_val`` bounds the norm of the whole gradient, as on one device."""
        self.check_equal(tmp_path, self.tolerance, gradient_clip_val=0.1)

    def test_it_keeps_to_the_precision(self, tmp_path: Path) -> None:
        """Each of ``precisions`` gives what it gives on one device."""
        for precision, tolerance in self.precisions.items():
            self.check_equal(tmp_path / precision, tolerance, precision=precision)

    def test_resuming_equals_not_having_stopped(self, tmp_path: Path) -> None:
        """From the checkpoint of any epoch a run ends with the same weights, bit for bit."""
        *unfinished, last = self.fit(tmp_path / "whole")
        for path in unfinished:
            resumed = self.fit(tmp_path / path.stem, path)[-1]
            difference = first_difference(self.weights_in(last), self.weights_in(resumed))
            assert difference is None, f"resumed from {path.name}"

    def test_its_checkpoint_has_the_models_keys(self, tmp_path: Path) -> None:
        """A checkpoint loads strictly into the model as it is without the strategy."""
        checkpoint = self.fit(tmp_path / "fit")[-1]
        build(LightningModule, self.model_config).load_state_dict(self.weights_in(checkpoint))

    def test_it_finds_the_known_solution(self, tmp_path: Path) -> None:
        """Each epoch of the regression is the one computed by hand, and the way ends at the solution."""
        if self.model is not REGRESSION:
            pytest.skip("another model is trained")
        checkpoints = self.fit(tmp_path / "fit", max_epochs=EPOCHS_TO_SOLUTION)
        found = [self.weights_in(path)["layer.weight"][0].double().numpy() for path in checkpoints]

        for epoch, weights in enumerate(found, start=1):
            np.testing.assert_allclose(weights, descend(epoch), atol=1e-5, err_msg=f"epoch {epoch}")
        np.testing.assert_allclose(found[-1], problem()[2], atol=1e-3)

    def test_it_works_in_plain_lightning(self, tmp_path: Path) -> None:
        """By class path in LightningCLI, by import in Trainer; checkpoints load there, fulmen's too."""
        checkpoint = str(self.fit(tmp_path / "runner")[-2])
        configs = (str(tmp_path), self.model_config, self.data_config, ())
        arguments = (*configs, checkpoint, self.config, self.processes)
        ended = in_fresh_processes(train_plainly, *arguments, folder=tmp_path, count=self.processes)

        assert [not_finite(weights) for weights in ended[0].values()] == [[], [], []]
