"""Which vertices each mini-batch starts from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.graph.errors import GraphError

_MASK = (1 << 64) - 1


def seed_batches(
    train_idx: NDArray[np.int64], batch_size: int, *, seed: int, epoch: int
) -> Iterator[NDArray[np.int64]]:
    """Shuffle the training vertices and yield them in global mini-batches; the last may be smaller.

    The order depends on (seed, epoch) alone: every rank, and every number of ranks, sees the same
    mini-batches.
    """
    if batch_size < 1:
        raise GraphError(f"batch_size is {batch_size}; expected 1 or more")
    shuffled = np.random.Generator(np.random.Philox(key=[seed & _MASK, epoch])).permutation(train_idx)
    for start in range(0, len(shuffled), batch_size):
        yield shuffled[start : start + batch_size]
