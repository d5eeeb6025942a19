"""Loaders whose order depends on seed and epoch alone, so that a resumed run sees the same batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sized
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler

from fulmen.errors import DataError

if TYPE_CHECKING:
    from lightning.pytorch import LightningDataModule


class EpochSampler(RandomSampler):
    """Shuffles anew in each epoch, in an order that depends on the seed and the epoch alone.

    A plain RandomSampler draws from torch's global stream, whose state no checkpoint keeps: a resumed
    run would see another order. In runs of several processes Lightning puts its DistributedSampler in
    the place of any RandomSampler, this one too.

    Args:
        dataset: What is sampled; only its length is used.
        seed: Of the order, 0 or more.
        current_epoch: Gives the epoch, 0 or more, when an epoch's first item is asked for. (Lightning
            also offers ``set_epoch``, but counts one too many when a run with ``max_steps`` is resumed.)
    """

    def __init__(self, dataset: Sized, seed: int, current_epoch: Callable[[], int]) -> None:
        super().__init__(dataset)
        self.seed = seed
        self.current_epoch = current_epoch

    @property
    def epoch(self) -> int:
        """The epoch whose order comes next."""
        return self.current_epoch()

    def __iter__(self) -> Iterator[int]:
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, self.epoch])))
        return iter(generator.permutation(self.num_samples).tolist())


class ResumableLoader(DataLoader[Any]):
    """A DataLoader that goes on within an epoch: Lightning keeps its state in each checkpoint.

    A data set whose items change from epoch to epoch has a method ``begin_epoch()``, which is called
    before an epoch's first item is asked for.

    Attributes:
        refused: What the data set raises of a file that the user has to mend, with a message of one line. It
            becomes a `DataError`, in whichever process the file was read. A subclass names it.
    """

    refused: tuple[type[Exception], ...] = ()

    # Class attributes and no __init__, because Lightning builds a loader anew from DataLoader's arguments.
    given_out = {"epoch": 0, "batches": 0}
    resume_at = {"epoch": 0, "batches": 0}

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        # A generator: what follows happens at the first batch, when Lightning has counted the epoch.
        if hasattr(self.dataset, "begin_epoch"):
            self.dataset.begin_epoch()
        epoch = int(getattr(self.sampler, "epoch", 0))
        # A checkpoint taken after an epoch's last batch belongs to an epoch that is over.
        skipped = self.resume_at["batches"] if self.resume_at["epoch"] == epoch else 0
        self.resume_at = {"epoch": 0, "batches": 0}
        try:
            for number, batch in enumerate(super().__iter__(), start=1):
                if number > skipped:
                    self.given_out = {"epoch": epoch, "batches": number}
                    yield batch
        except self.refused as error:
            # A loading process sends its error with a traceback before it, line breaks perhaps replaced.
            raise DataError(str(error).rpartition(f"{type(error).__name__}: ")[2].rstrip("? \n")) from error

    @classmethod
    def of(
        cls,
        data: LightningDataModule,
        dataset: Dataset[Any],
        *,
        batch_size: int,
        num_workers: int = 0,
        shuffle: bool = False,
    ) -> Self:
        """Return a data module's loader over one of its data sets.

        Shuffled under a Trainer, the order depends on ``seed_everything`` and the epoch alone; without a
        Trainer, on torch's global stream.

        Args:
            data: The data module; its Trainer tells the epoch.
            dataset: A map-style data set, with a length.
            batch_size: Items per batch and process, 1 or more.
            num_workers: Processes that load, kept from epoch to epoch; 0 loads in the training process.
            shuffle: Whether to shuffle anew in each epoch. A last batch of a single item is left out then:
                no batch normalisation can train on one whose image has shrunk to a pixel.
        """
        sampler: RandomSampler | None = None
        if shuffle and data.trainer is None:
            sampler = RandomSampler(dataset)  # type: ignore[arg-type]
        elif shuffle:
            sampler = EpochSampler(dataset, torch.initial_seed(), lambda: _current_epoch(data))  # type: ignore[arg-type]
        return cls(
            dataset,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            drop_last=shuffle and _leaves_one(data, dataset, batch_size),
        )

    def state_dict(self) -> dict[str, int]:
        """Return how many ``batches`` of which ``epoch`` were given out."""
        return dict(self.given_out)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Skip what was given out already, if the next epoch to be read is the one in ``state``."""
        self.resume_at = dict(state)


def _leaves_one(data: LightningDataModule, dataset: Dataset[Any], batch_size: int) -> bool:
    """Whether the last of several batches of a process would be of one item."""
    processes = getattr(data.trainer, "world_size", 1)
    items = math.ceil(len(dataset) / processes)  # type: ignore[arg-type]
    return items > batch_size and items % batch_size == 1


def _current_epoch(data: LightningDataModule) -> int:
    return data.trainer.current_epoch if data.trainer else 0
