"""What a callback owes its users."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import fulmen
from fulmen.testing.accumulation import AccumulationWitness
from fulmen.testing.comparing import first_difference
from fulmen.testing.component import ComponentConformance
from fulmen.testing.plain import train_plainly
from fulmen.testing.processes import in_fresh_processes
from fulmen.testing.training import (
    EPOCHS,
    checkpoints_in,
    fit,
    fit_in_two_processes,
    make_trainer,
    not_finite,
)


class CallbackConformance(ComponentConformance):
    """Tests of a callback; derive from it and name the ``component``.

    Each trains ``model`` on four batches of ``data`` per epoch. What draws from the global random
    stream (dropout, a shuffling loader) cannot be resumed bit for bit, whatever the callback does.
    """

    kind = "callback"

    def fit(
        self, folder: Path, callbacks: list[Any], ckpt_path: Path | None = None, **options: Any
    ) -> dict[str, Tensor]:
        """Train with fulmen's Runner and return the final weights."""
        trainer = make_trainer(fulmen.Runner, folder, callbacks, **options)
        return fit(trainer, self.model_config, self.data_config, ckpt_path)

    def fit_and_keep(self, folder: Path) -> tuple[dict[str, Tensor], list[Path]]:
        """Train likewise; return the final weights and the checkpoints of all epochs but the last."""
        weights = self.fit(folder, [self.make()], keep=True)
        found = checkpoints_in(folder / "checkpoints")
        assert len(found) == EPOCHS, f"{len(found)} checkpoints of {EPOCHS} epochs: did training end early?"
        return weights, found[:-1]

    def test_it_survives_fit(self, tmp_path: Path) -> None:
        """Three epochs with validation end with finite weights."""
        assert not_finite(self.fit(tmp_path, [self.make()])) == []

    def test_it_survives_fast_dev_run(self, tmp_path: Path) -> None:
        """``trainer.fast_dev_run`` runs one batch of everything."""
        self.fit(tmp_path, [self.make()], fast_dev_run=True)

    def test_it_survives_gradient_accumulation(self, tmp_path: Path) -> None:
        """Two batches per step: no further step is made, and no gradient is lost in between."""
        witness = AccumulationWitness()
        self.fit(tmp_path, [self.make(), witness], accumulate_grad_batches=2)

        assert witness.wrong_steps == [], "optimiser steps before the second batch, or a step too many"
        assert not witness.lost, f"gradients changed between two batches of a step: {sorted(witness.lost)}"

    def test_its_state_loads_back_as_data(self, tmp_path: Path) -> None:
        """What ``state_dict`` returns after training survives a file and ``load_state_dict``."""
        callback, fresh = self.make(), self.make()
        self.fit(tmp_path, [callback])
        state = callback.state_dict()
        loaded = _through_a_file(state, tmp_path / "state.pt")
        assert first_difference(state, loaded) is None
        if not state:  # Lightning saves and loads no empty state
            return
        fresh.load_state_dict(loaded)

        assert first_difference(fresh.state_dict(), state) is None, "not the state that was loaded"

    def test_resuming_equals_not_having_stopped(self, tmp_path: Path) -> None:
        """From the checkpoint of any epoch a run ends with the same weights, bit for bit."""
        whole, checkpoints = self.fit_and_keep(tmp_path / "whole")
        for path in checkpoints:
            resumed = self.fit(tmp_path / path.stem, [self.make()], path)
            assert first_difference(whole, resumed) is None, f"resumed from {path.name}"

    @pytest.mark.process
    def test_it_survives_two_processes(self, tmp_path: Path) -> None:
        """Two processes (ddp, gloo) end with the same finite parameters."""
        arguments = (str(tmp_path), self.model_config, self.data_config, self.config)
        first, second = in_fresh_processes(fit_in_two_processes, *arguments, folder=tmp_path, count=2)

        assert first_difference(first, second) is None
        assert not_finite(first) == []

    @pytest.mark.process
    def test_it_works_in_plain_lightning(self, tmp_path: Path) -> None:
        """By class path in LightningCLI, by import in Trainer; checkpoints load there, fulmen's too."""
        checkpoint = str(self.fit_and_keep(tmp_path / "runner")[1][-1])
        arguments = (str(tmp_path), self.model_config, self.data_config, [self.config], checkpoint)
        (ended,) = in_fresh_processes(train_plainly, *arguments, folder=tmp_path)

        assert first_difference(ended["whole"], ended["resumed"]) is None, "resumed in a plain Trainer"
        assert not_finite(ended["from_runner"]) == []


def _through_a_file(state: Any, path: Path) -> Any:
    torch.save(state, path)
    try:
        return torch.load(path, weights_only=True)
    except pickle.UnpicklingError as error:
        cause = str(error).split("WeightsUnpickler error:")[-1].strip().splitlines()[0]
        pytest.fail(f"the state is not plain data (dict, list, str, number, tensor): {cause}", pytrace=False)
