"""What an analyzer is given and what it must give back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from fulmen.progressing import progress

if TYPE_CHECKING:
    import torch
    from lightning.pytorch import LightningDataModule, LightningModule

    from fulmen.analysis.report import Report

T = TypeVar("T")


class Mapper(Protocol):
    """Runs independent pieces of work and keeps each finished one (the run's engine)."""

    def __call__(
        self,
        function: Callable[..., Any],
        items: Sequence[Any],
        label: str,
        setup: tuple[Callable[..., Any], tuple[Any, ...]] | None = None,
    ) -> list[Any]:
        """Return the results in the order of the items; see ``AnalysisContext.map``."""
        ...


@dataclass(frozen=True)
class AnalysisContext:
    """What an analysis works with.

    Attributes:
        model: The model, its checkpoint loaded, in eval mode on ``device``; None if none was given.
        datamodule: The data, not yet prepared or set up; None if none was given.
        runner: The Runner (a Lightning Trainer) of this run.
        run_dir: The folder of this run; the report is written there for you.
        seed: What ``seed_everything`` was given.
        device: Where to compute.
        checkpoint: What the checkpoint holds beside the weights (``callbacks``, ``hyper_parameters``),
            or None if none was given.
        mapper: What ``map`` runs on.
    """

    model: LightningModule | None
    datamodule: LightningDataModule | None
    runner: Any
    run_dir: Path
    seed: int
    device: torch.device
    checkpoint: Mapping[str, Any] | None
    mapper: Mapper

    def progress(self, iterable: Iterable[T], label: str) -> Iterator[T]:
        """Yield the items and show how far they are."""
        return progress(iterable, label)

    def map(
        self,
        function: Callable[..., Any],
        items: Sequence[Any],
        label: str,
        setup: tuple[Callable[..., Any], tuple[Any, ...]] | None = None,
    ) -> list[Any]:
        """Run ``function`` on each item, in any order, on the run's engine.

        Args:
            function: A module-level function. It gets one item, or ``(shared, item)`` with
                ``setup``; it returns plain data (None, bool, int, float, str, list, dict).
            items: Plain data, one per piece of work.
            label: Names the work in the progress display and on disk; unique in the analysis.
            setup: ``(function, arguments)``: called once per worker to build what the items share,
                such as a model from its checkpoint. A module-level function and plain data.

        Returns:
            The results in the order of ``items``.

        Each finished piece is kept in the run directory, so that a killed analysis goes on where
        it was.
        """
        return self.mapper(function, items, label, setup)


class Analyzer(ABC):
    """Examines a model, data, or both, and reports what it found."""

    @abstractmethod
    def analyze(self, context: AnalysisContext) -> Report:
        """Do the analysis. Leave the model's parameters and the global random state as they were."""
