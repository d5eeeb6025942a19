"""What an analyzer owes its users."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule, seed_everything

import fulmen
from fulmen.engines.inline import InlineEngine
from fulmen.engines.kept_map import KeptMap
from fulmen.testing.building import build
from fulmen.testing.comparing import first_difference
from fulmen.testing.component import ComponentConformance
from fulmen.testing.training import make_trainer, weights_of


class AnalyzerConformance(ComponentConformance):
    """Tests of an analyzer; derive from it, name the ``component``, and ``model`` and ``data`` to examine."""

    kind = "analyzer"

    def make_context(self, folder: Path, killed: bool = False) -> fulmen.AnalysisContext:
        """Return what the analyzer is given: the same seeded model and data each time.

        Args:
            folder: Of the run; it keeps each piece of a ``map``.
            killed: Die when the first piece has been kept.
        """
        model, data = self._examined()
        pieces = folder / "pieces"
        return fulmen.AnalysisContext(
            model=model,
            datamodule=data,
            runner=make_trainer(fulmen.Runner, folder),
            run_dir=folder,
            seed=1,
            device=torch.device("cpu"),
            checkpoint=None,
            mapper=KeptMap(_Dying(pieces) if killed else InlineEngine(), pieces),
        )

    def analyze(self, folder: Path, killed: bool = False) -> fulmen.Report:
        """Return the report of a fresh analyzer; ``folder`` and ``killed`` as in `make_context`."""
        folder.mkdir(exist_ok=True)
        report: fulmen.Report = self.make().analyze(self.make_context(folder, killed))
        return report

    def test_its_report_loads_back(self, tmp_path: Path) -> None:
        """What ``Runner.analyze`` writes, ``Report.load`` gives back as it was returned."""
        runner = make_trainer(fulmen.Runner, tmp_path)
        report = runner.analyze(self.make(), *self._examined(), run=tmp_path / "run", quiet=True)
        loaded = fulmen.Report.load(tmp_path / "run")
        loaded.title = report.title  # a report without one is written with its analyzer's name

        assert _difference(loaded, report) is None

    def test_the_same_seed_gives_the_same_report(self, tmp_path: Path) -> None:
        """Whoever repeats an analysis finds the same."""
        first, second = (self.analyze(tmp_path / name) for name in ("first", "second"))

        assert _difference(first, second) is None

    def test_it_leaves_the_model_as_it_was(self, tmp_path: Path) -> None:
        """No parameter and no buffer is changed."""
        context = self.make_context(tmp_path)
        assert context.model is not None
        before = weights_of(context.model)
        self.make().analyze(context)

        assert first_difference(before, weights_of(context.model)) is None

    def test_it_leaves_the_random_state_as_it_was(self, tmp_path: Path) -> None:
        """Python's, numpy's and torch's global streams go on where they were.

        ``fulmen.keyed_generator`` gives a stream of one's own. Iterating over a DataLoader draws from
        torch's, unless that stands under ``lightning.pytorch.utilities.seed.isolate_rng()``.
        """
        context, analyzer = self.make_context(tmp_path), self.make()
        before = _random_state()
        analyzer.analyze(context)

        assert first_difference(before, _random_state()) is None

    def test_it_goes_on_after_a_kill(self, tmp_path: Path) -> None:
        """Killed between two pieces of a ``context.map``, the next run gives the same report."""
        whole = self.analyze(tmp_path / "whole")
        try:
            self.analyze(tmp_path / "killed", killed=True)
        except _Killed:
            assert _difference(self.analyze(tmp_path / "killed"), whole) is None
        else:
            pytest.skip("the analyzer maps over fewer than two pieces")

    def test_it_says_what_it_lacks(self, tmp_path: Path) -> None:
        """Given neither model nor data it makes a report, or raises a ``fulmen.UserError``."""
        context = dataclasses.replace(self.make_context(tmp_path), model=None, datamodule=None)
        try:
            said = ""
            self.make().analyze(context)
        except fulmen.UserError as error:
            said = str(error)

        assert len(said.splitlines()) <= 3, "an error takes one line, and at most two more"

    def _examined(self) -> tuple[LightningModule, LightningDataModule]:
        seed_everything(1, verbose=False)
        model = build(LightningModule, self.model_config)
        return model.eval(), build(LightningDataModule, self.data_config)


class _Killed(BaseException):
    """Stands for a kill: no ``except Exception`` of an analyzer catches it."""


class _Dying(InlineEngine):
    """An engine that dies when a piece has been kept."""

    def __init__(self, pieces: Path) -> None:
        super().__init__()
        self.pieces = pieces

    def poll(self, timeout: float) -> Any:
        """Die, or do the next task."""
        if any(self.pieces.rglob("*.json")):
            raise _Killed
        return super().poll(timeout)


def _difference(a: fulmen.Report, b: fulmen.Report) -> str | None:
    """Return what differs between two reports; None if they are equal."""
    if a == b:
        return None
    parts = ("title", "findings", "scalars", "arrays")
    a, b = a.checked(), b.checked()
    found = (first_difference(getattr(a, part), getattr(b, part), part) for part in parts)
    return next((line for line in found if line), "tables")


def _random_state() -> dict[str, Any]:
    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}
