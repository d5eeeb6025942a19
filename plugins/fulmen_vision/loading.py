"""Loaders whose order depends on seed and epoch alone, so that a resumed run sees the same batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler

from fulmen_vision.labelled_images import LabelledImages


class ImageDataset(Dataset[tuple[Tensor, Tensor]]):
    """Normalised images and their labels, made on demand from bytes.

    Item i is a float32 image of shape (channels, height, width), ``(pixel - mean) / std`` channel by
    channel, and an int64 label of shape ().

    Args:
        data: The images.
        mean: Shape (channels,), in the units of the pixels.
        std: Shape (channels,), not 0.
    """

    def __init__(self, data: LabelledImages, mean: np.ndarray, std: np.ndarray) -> None:
        self.images = torch.from_numpy(data.images)
        self.labels = torch.from_numpy(data.labels)
        self.mean, self.std = (torch.from_numpy(moment).float().view(-1, 1, 1) for moment in (mean, std))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return (self.images[index].float() - self.mean) / self.std, self.labels[index]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        # torch's loader asks for a whole batch here: one normalisation instead of many.
        images = (self.images[indices].float() - self.mean) / self.std
        return list(zip(images, self.labels[indices], strict=True))


class EpochSampler(RandomSampler):
    """Shuffles anew in each epoch, in an order that depends on the seed and the epoch alone.

    A plain RandomSampler draws from torch's global stream, whose state no checkpoint keeps: a resumed
    run would see another order. In runs of several processes Lightning puts its DistributedSampler in
    the place of any RandomSampler, this one too.

    Args:
        dataset: What is sampled; only its length is used.
        seed: Of the order, 0 or more.
        current_epoch: Gives the epoch, 0 or more, when an epoch's first image is asked for. (Lightning
            also offers ``set_epoch``, but counts one too many when a run with ``max_steps`` is resumed.)
    """

    def __init__(self, dataset: ImageDataset, seed: int, current_epoch: Callable[[], int]) -> None:
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


class ResumableLoader(DataLoader[tuple[Tensor, Tensor]]):
    """A DataLoader that goes on within an epoch: Lightning keeps its state in each checkpoint."""

    # Class attributes and no __init__, because Lightning builds a loader anew from DataLoader's arguments.
    given_out = {"epoch": 0, "batches": 0}
    resume_at = {"epoch": 0, "batches": 0}

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        # At the first batch, not before: only then does the sampler know the epoch.
        epoch = int(getattr(self.sampler, "epoch", 0))
        # A checkpoint taken after an epoch's last batch belongs to an epoch that is over.
        skipped = self.resume_at["batches"] if self.resume_at["epoch"] == epoch else 0
        self.resume_at = {"epoch": 0, "batches": 0}
        for number, batch in enumerate(super().__iter__(), start=1):
            if number > skipped:
                self.given_out = {"epoch": epoch, "batches": number}
                yield batch

    def state_dict(self) -> dict[str, int]:
        """Return how many ``batches`` of which ``epoch`` were given out."""
        return dict(self.given_out)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Skip what was given out already, if the next epoch to be read is the one in ``state``."""
        self.resume_at = dict(state)
