"""What sampling will do to each vertex and edge, learnt by sampling for some epochs ahead of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fulmen_split_parallel.sampling.mini_batch import sample_blocks
from fulmen_split_parallel.sampling.sampler import Sampler
from fulmen_split_parallel.sampling.seeds import seed_batches

# Epochs that no training run reaches: a partition that was fitted to the very mini-batches that are then
# trained on would look better than it is.
FIRST_EPOCH = 1 << 40

Progress = Callable[[Iterable[int], str], Iterator[int]]


@dataclass(frozen=True, eq=False)
class Counts:
    """How often mini-batches met each vertex and edge.

    Attributes:
        visits: int64 (V,): as a destination, once a layer.
        in_edges: int64 (V,): in-edges drawn for it.
        inputs: int64 (V,): as a row to load, once a mini-batch.
        edges: int64 (E,): drawn, in the order of the graph's ``indices``.
        batches: How many mini-batches were drawn.
    """

    visits: NDArray[np.int64]
    in_edges: NDArray[np.int64]
    inputs: NDArray[np.int64]
    edges: NDArray[np.int64]
    batches: int

    @property
    def work(self) -> NDArray[np.int64]:
        """int64 (V,): what its owner does for each vertex, an in-edge or a visit counting one."""
        return self.visits + self.in_edges


def no_progress(iterable: Iterable[int], label: str) -> Iterator[int]:
    """Show nothing."""
    return iter(iterable)


def presample(
    sampler: Sampler,
    fanouts: Sequence[int],
    batch_size: int,
    epochs: int,
    seed: int,
    progress: Progress = no_progress,
) -> Counts:
    """Sample whole epochs as training will, and count.

    Args:
        sampler: Of the training, or one like it.
        fanouts: Seeds' layer first; -1 takes all.
        batch_size: Global.
        epochs: At least 1.
        seed: Of the draws; the epochs are none that training sees.
        progress: Shows how many epochs are done.

    Source: GSplit (arXiv:2303.13775); the authors' ``get_weight.py`` counts the same.
    """
    graph = sampler.graph
    visits, in_edges, inputs = (np.zeros(graph.num_vertices, np.int64) for _ in range(3))
    edges = np.zeros(graph.num_edges, np.int64)
    batches = 0
    for epoch in progress(range(FIRST_EPOCH, FIRST_EPOCH + epochs), "pre-sampled epochs"):
        for step, seeds in enumerate(seed_batches(graph.train_idx, batch_size, seed=seed, epoch=epoch)):
            blocks = sample_blocks(sampler, seeds, fanouts, seed=seed, epoch=epoch, step=step)
            for block in blocks:
                _count(block.destinations, block.indptr, block.edge_ids, visits, in_edges, edges)
            inputs[blocks[0].sources] += 1
            batches += 1
    return Counts(visits, in_edges, inputs, edges, batches)


@njit(cache=True, nogil=True)
def _count(
    destinations: NDArray[np.int64],
    indptr: NDArray[np.int64],
    edge_ids: NDArray[np.int64],
    visits: NDArray[np.int64],
    in_edges: NDArray[np.int64],
    edges: NDArray[np.int64],
) -> None:
    for d in range(len(destinations)):
        visits[destinations[d]] += 1
        in_edges[destinations[d]] += indptr[d + 1] - indptr[d]
    for e in edge_ids:
        edges[e] += 1
