"""A loader whose order depends on seed and epoch alone, so that a resumed run sees the same batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, RandomSampler

from fulmen_attention_granger.forecast_windows import Window, WindowDataset


class EpochSampler(RandomSampler):
    """Shuffles anew in each epoch, in an order that seed and epoch fix.

    torch's RandomSampler draws from the global stream, whose state no checkpoint keeps. In runs of several
    processes Lightning puts its DistributedSampler in the place of any RandomSampler, this one too.

    Args:
        dataset: Whose length is used.
        seed: Of the order, >= 0.
        current_epoch: Asked for the epoch when an epoch's first window is drawn.
    """

    def __init__(self, dataset: WindowDataset, seed: int, current_epoch: Callable[[], int]) -> None:
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


class ResumableLoader(DataLoader[Window]):
    """A DataLoader that goes on within an epoch: Lightning keeps its state in each checkpoint."""

    # On the class, because Lightning may build a loader anew from DataLoader's arguments.
    done = {"epoch": 0, "batches": 0}
    skip = {"epoch": 0, "batches": 0}

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        epoch = int(getattr(self.sampler, "epoch", 0))
        # What was given out in an epoch that is over is no reason to skip in the next.
        skipped = self.skip["batches"] if self.skip["epoch"] == epoch else 0
        self.skip = {"epoch": 0, "batches": 0}
        for number, batch in enumerate(super().__iter__(), start=1):
            if number > skipped:
                self.done = {"epoch": epoch, "batches": number}
                yield batch

    def state_dict(self) -> dict[str, int]:
        """Return how many ``batches`` of which ``epoch`` were given out."""
        return dict(self.done)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Skip what was given out, if the next epoch to be read is that of ``state``."""
        self.skip = dict(state)
