"""Loaders of mini-batches of a graph: in one process, or each rank its share of every global mini-batch.

No compiled extension of PyG's, no worker processes: a mini-batch takes milliseconds, and a thread makes the
next one while this one is computed.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.networks.batch import GraphBatch
from fulmen_split_parallel.networks.single import batch_of
from fulmen_split_parallel.sampling.feature_rows import FeatureRows
from fulmen_split_parallel.sampling.mini_batch import sample_blocks
from fulmen_split_parallel.sampling.randomness import stream_key
from fulmen_split_parallel.sampling.sampler import Sampler
from fulmen_split_parallel.sampling.seeds import seed_batches

_INSIDE = -1  # the layer that a network's own draws are keyed by: no layer of a sampler has it


@dataclass(frozen=True, eq=False)
class SeedBatch:
    """A global mini-batch before anything is sampled: the same on every rank.

    Attributes:
        vertices: int64 (N,), the seeds.
        epoch: Counted from 0.
        step: Its number within the epoch, counted from 0.
        key: Of the network's random draws, 0 to 2^63 - 1.
    """

    vertices: NDArray[np.int64]
    epoch: int
    step: int
    key: int


class GraphLoader:
    """Mini-batches over some vertices of a graph, as one rank of a data-parallel run sees them.

    Of each global mini-batch's seeds, rank r of R takes those at places r, r + R, r + 2 R, ... What is
    sampled for a vertex does not depend on R, so that R ranks, whose losses are averaged as
    ``GraphBatch.mean`` has it, follow one process step by step.

    Lightning keeps its state in each checkpoint: an epoch that was broken off goes on at the next mini-batch.

    Args:
        graph: What to sample.
        vertices: int64, the seeds of an epoch.
        fanouts: In-edges for each vertex, the seeds' layer first; -1 takes all.
        batch_size: Seeds of a global mini-batch.
        make_sampler: Makes a sampler of the graph; called once.
        seed: Of order and samples.
        epoch: Asked for the epoch when its first mini-batch is.
        shuffled: Whether each epoch has an order and samples of its own. If not, all are alike.
        rank: Of this process, in the data-parallel run.
        ranks: Of that run.
        ahead: Whether a thread makes the next mini-batch while this one is computed.
    """

    def __init__(
        self,
        graph: Graph,
        vertices: NDArray[np.int64],
        fanouts: Sequence[int],
        batch_size: int,
        make_sampler: Callable[[Graph], Sampler],
        *,
        seed: int,
        epoch: Callable[[], int] = lambda: 0,
        shuffled: bool = False,
        rank: int = 0,
        ranks: int = 1,
        ahead: bool = True,
    ) -> None:
        self.graph, self.vertices, self.fanouts = graph, vertices, list(fanouts)
        self.batch_size, self.make_sampler, self.seed = batch_size, make_sampler, seed
        self.shuffled, self.rank, self.ranks, self.ahead = shuffled, rank, ranks, ahead
        self._epoch = epoch
        self._given_out = {"epoch": 0, "batches": 0}
        self._resume_at = {"epoch": 0, "batches": 0}
        self._tools: tuple[Sampler, FeatureRows] | None = None

    def share(self, rank: int, ranks: int) -> Self:
        """The same loader for another rank, with a state and a sampler of its own."""
        other = copy.copy(self)
        other.rank, other.ranks, other._tools = rank, ranks, None
        other._given_out, other._resume_at = dict(self._given_out), dict(self._resume_at)
        return other

    def __len__(self) -> int:
        """Global mini-batches in an epoch."""
        return -(-len(self.vertices) // self.batch_size)

    def __iter__(self) -> Iterator[GraphBatch]:
        made = (
            _one_ahead(self.seed_batches(), self._make)
            if self.ahead
            else map(self._make, self.seed_batches())
        )
        for seeds, batch in made:
            self.give_out(seeds)
            yield batch

    def seed_batches(self) -> Iterator[SeedBatch]:
        """Yield the global mini-batches that are still to come in this epoch.

        Who makes mini-batches of these otherwise than by iterating over the loader calls `give_out` with each
        one that the training gets.
        """
        epoch = self._epoch() if self.shuffled else 0
        # A checkpoint taken after an epoch's last mini-batch belongs to an epoch that is over.
        skipped = self._resume_at["batches"] if self._resume_at["epoch"] == epoch else 0
        self._resume_at = {"epoch": 0, "batches": 0}
        for step, vertices in enumerate(self._batches(epoch)):
            if step >= skipped:
                key = int(stream_key(self.seed, epoch, step, _INSIDE)) >> 1
                yield SeedBatch(vertices, epoch, step, key)

    def give_out(self, seeds: SeedBatch) -> None:
        """Count a mini-batch as seen by the training: a run that is resumed goes on after it."""
        self._given_out = {"epoch": seeds.epoch, "batches": seeds.step + 1}

    def state_dict(self) -> dict[str, int]:
        """Return how many ``batches`` of which ``epoch`` were given out."""
        return dict(self._given_out)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Skip what was given out already, if the next epoch to be read is the one in ``state``."""
        self._resume_at = dict(state)

    def _batches(self, epoch: int) -> Iterator[NDArray[np.int64]]:
        if self.shuffled:
            yield from seed_batches(self.vertices, self.batch_size, seed=self.seed, epoch=epoch)
            return
        for start in range(0, len(self.vertices), self.batch_size):
            yield np.array(self.vertices[start : start + self.batch_size])  # torch dislikes read-only maps

    def _make(self, seeds: SeedBatch) -> tuple[SeedBatch, GraphBatch]:
        if self._tools is None:
            self._tools = self.make_sampler(self.graph), FeatureRows(self.graph.features)
        sampler, rows = self._tools
        seconds = {"sample_seconds": -time.perf_counter(), "load_seconds": 0.0}
        own = np.ascontiguousarray(seeds.vertices[self.rank :: self.ranks])
        blocks = sample_blocks(sampler, own, self.fanouts, seed=self.seed, epoch=seeds.epoch, step=seeds.step)
        seconds["sample_seconds"] += time.perf_counter()

        def gather(vertices: NDArray[np.int64]) -> Tensor:
            started = time.perf_counter()
            x = torch.from_numpy(rows.take(vertices))
            x = x.float() if x.dtype == torch.float16 else x
            seconds["load_seconds"] = time.perf_counter() - started
            return x

        batch = batch_of(self.graph, own, blocks, key=seeds.key, gather=gather)
        batch.num_seeds, batch.num_shares = len(seeds.vertices), self.ranks
        batch.counts.update(seconds)
        return seeds, batch


def _one_ahead(
    seeds: Iterator[SeedBatch], make: Callable[[SeedBatch], tuple[SeedBatch, GraphBatch]]
) -> Iterator[tuple[SeedBatch, GraphBatch]]:
    """Make each in a thread, the next one begun when one is given out."""
    with ThreadPoolExecutor(1, thread_name_prefix="mini-batches") as thread:
        coming: Future[tuple[SeedBatch, GraphBatch]] | None = None
        for each in seeds:
            made = coming
            coming = thread.submit(make, each)
            if made is not None:
                yield made.result()
        if coming is not None:
            yield coming.result()
