"""How good a partition is, measured on mini-batches that it was not made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.partition.shares import shares
from fulmen_split_parallel.sampling.mini_batch import sample_blocks
from fulmen_split_parallel.sampling.sampler import Sampler
from fulmen_split_parallel.sampling.seeds import seed_batches


@dataclass(frozen=True)
class Quality:
    """Means over mini-batches.

    Attributes:
        cut: The share of the drawn edges whose source another rank owns, 0 to 1 - 1/P by chance.
        imbalance: The most edges of a rank over the mean of the ranks; 1 is even.
        input_imbalance: The same of the feature rows that ranks load.
        pulled: Rows that cross ranks, all layers, for each feature row of the mini-batch.
        batches: How many mini-batches were looked at.
    """

    cut: float
    imbalance: float
    input_imbalance: float
    pulled: float
    batches: int


def quality(
    sampler: Sampler,
    owner: NDArray[Any],
    parts: int,
    fanouts: Sequence[int],
    batch_size: int,
    seed: int,
    batches: int = 10,
    epoch: int = 0,
) -> Quality:
    """Cut the first mini-batches of an epoch by their owners.

    Args:
        sampler: Of the training.
        owner: unsigned integers (V,), below `parts`.
        parts: P.
        fanouts: Seeds' layer first.
        batch_size: Global.
        seed: Of the run.
        batches: At most so many, at least 1.
        epoch: Of the run; those that pre-sampling uses are others.
    """
    rows = []
    seeds_of = seed_batches(sampler.graph.train_idx, batch_size, seed=seed, epoch=epoch)
    for step, seeds in enumerate(islice(seeds_of, batches)):
        found = shares(
            sample_blocks(sampler, seeds, fanouts, seed=seed, epoch=epoch, step=step), owner, parts
        )
        inputs = found.inputs
        even = inputs.max() / inputs.mean()
        rows.append((found.cut, found.imbalance, even, found.shuffled_rows / inputs.sum()))
    means = np.mean(rows, axis=0)
    cut, imbalance, input_imbalance, pulled = (float(mean) for mean in means)
    return Quality(cut, imbalance, input_imbalance, pulled, len(rows))
