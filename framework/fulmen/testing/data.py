"""What data (a LightningDataModule) owe their users."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import seed_everything
from lightning.pytorch.utilities import CombinedLoader
from lightning.pytorch.utilities.model_helpers import is_overridden

from fulmen.testing.comparing import first_difference
from fulmen.testing.component import ComponentConformance
from fulmen.testing.plain import train_plainly
from fulmen.testing.processes import in_fresh_processes

STAGES = {"train": "fit", "val": "fit", "test": "test", "predict": "predict"}  # of each loader
SEEN = 20  # batches of each loader that are compared


class DataConformance(ComponentConformance):
    """Tests of data; derive from it and name the ``component``.

    Files that they need are written in a fixture of your own, which sets ``self.init_args``.
    """

    kind = "data"

    def batches(self, times: int = 1, count: int = SEEN) -> dict[str, list[Any]]:
        """Return the first batches of each loader of a fresh, seeded instance.

        Args:
            times: How often it is prepared and set up.
            count: How many batches.
        """
        seed_everything(1, verbose=False)
        data = self.make()
        loaders = _loaders_of(data)
        for _ in range(times):
            data.prepare_data()
            for stage in dict.fromkeys(STAGES[name] for name in loaders):
                data.setup(stage)
        return {name: _first_batches(data, name, count) for name in loaders}

    def test_every_loader_gives_batches(self) -> None:
        """There is a loader (``train_dataloader``, ...), and none is empty."""
        batches = self.batches(count=1)

        assert batches, "it has no loader"
        assert [name for name, given in batches.items() if not given] == []

    def test_they_may_be_prepared_twice(self) -> None:
        """``prepare_data`` and ``setup`` change nothing when they are called again: several verbs do."""
        assert first_difference(self.batches(times=1), self.batches(times=2)) is None

    def test_the_same_seed_gives_the_same_batches(self) -> None:
        """Whoever repeats a run sees the same batches in the same order."""
        assert first_difference(self.batches(), self.batches()) is None

    @pytest.mark.process
    def test_they_work_in_plain_lightning(self, tmp_path: Path) -> None:
        """By class path in LightningCLI, by import in Trainer, and checkpoints load there."""
        if "train" not in _loaders_of(self.make()):
            pytest.skip("no training data")
        model = {"class_path": "fulmen.testing.toys.AnyBatch"}
        (ended,) = in_fresh_processes(train_plainly, str(tmp_path), model, self.config, (), folder=tmp_path)

        assert first_difference(ended["whole"], ended["resumed"]) is None


def _loaders_of(data: Any) -> list[str]:
    return [name for name in STAGES if is_overridden(f"{name}_dataloader", data)]


def _first_batches(data: Any, name: str, count: int) -> list[Any]:
    loader = CombinedLoader(getattr(data, f"{name}_dataloader")(), "sequential")
    return [batch for batch, _, _ in itertools.islice(iter(loader), count)]
