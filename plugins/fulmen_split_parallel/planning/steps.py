"""What each of P ranks does for a mini-batch, counted on one machine.

The samples are those that a run draws (they depend on seed, epoch, step, layer and vertex alone), and seeds
are dealt out as a run deals them, so the counts are a run's, row by row and edge by edge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.partition.shares import shares
from fulmen_split_parallel.sampling.mini_batch import sample_blocks
from fulmen_split_parallel.sampling.sampler import Sampler


@dataclass(frozen=True, eq=False)
class StepWork:
    """One mini-batch's work of P ranks in L layers, the input's first.

    Attributes:
        destinations: int64 (L, P): vertices computed.
        edges: int64 (L, P): in-edges aggregated.
        rows: int64 (L, P): rows that enter the layer where they live (all sources in data parallel; the
            rank's own vertices of the layer below when split).
        sent: int64 (L, P): rows sent to other ranks; 0 in data parallel.
        received: int64 (L, P): rows that came from other ranks.
        inputs: int64 (P,): feature rows loaded.
        remote_edges: Edges whose source another rank owns.
    """

    destinations: NDArray[np.int64]
    edges: NDArray[np.int64]
    rows: NDArray[np.int64]
    sent: NDArray[np.int64]
    received: NDArray[np.int64]
    inputs: NDArray[np.int64]
    remote_edges: int

    @property
    def imbalance(self) -> float:
        """The most edges of a rank over the mean of the ranks; 1 where there are no edges."""
        of_rank = self.edges.sum(axis=0)
        return float(of_rank.max() / of_rank.mean()) if of_rank.any() else 1.0

    def plain(self) -> dict[str, Any]:
        """Return lists and numbers, which `from_plain` reads."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> StepWork:
        """Return what `plain` gave."""
        arrays = {name: np.array(value, np.int64) for name, value in plain.items() if name != "remote_edges"}
        return cls(**arrays, remote_edges=int(plain["remote_edges"]))


def data_parallel_work(
    sampler: Sampler,
    seeds: NDArray[np.int64],
    fanouts: Sequence[int],
    parts: int,
    *,
    seed: int,
    epoch: int,
    step: int,
) -> StepWork:
    """Count what P ranks do that each sample and compute their share of the seeds by themselves.

    Args:
        sampler: Of the training.
        seeds: int64 (N,), of the global mini-batch; rank r gets those at places r, r + P, r + 2 P, ...
        fanouts: Seeds' layer first.
        parts: P.
        seed: Of the run.
        epoch: Counted from 0.
        step: The mini-batch's number within the epoch.
    """
    layers = len(fanouts)
    destinations, edges, rows = (np.zeros((layers, parts), np.int64) for _ in range(3))
    for rank in range(parts):
        own = np.ascontiguousarray(seeds[rank::parts])
        blocks = sample_blocks(sampler, own, fanouts, seed=seed, epoch=epoch, step=step)
        for layer, block in enumerate(blocks):
            destinations[layer, rank] = block.num_destinations
            edges[layer, rank] = block.num_edges
            rows[layer, rank] = len(block.sources)
    nothing = np.zeros((layers, parts), np.int64)
    return StepWork(destinations, edges, rows, nothing, nothing, rows[0], 0)


def split_work(
    sampler: Sampler,
    seeds: NDArray[np.int64],
    fanouts: Sequence[int],
    owners: Mapping[str, tuple[NDArray[Any], int]],
    *,
    seed: int,
    epoch: int,
    step: int,
) -> dict[str, StepWork]:
    """Count what ranks do that own the vertices of one mini-batch; the sample is drawn once for all.

    Args:
        sampler: Of the training.
        seeds: int64 (N,), of the global mini-batch.
        fanouts: Seeds' layer first.
        owners: Maps to compare, by name: unsigned integers (V,), and the number of ranks.
        seed: Of the run.
        epoch: Counted from 0.
        step: The mini-batch's number within the epoch.
    """
    blocks = sample_blocks(sampler, seeds, fanouts, seed=seed, epoch=epoch, step=step)
    found = {}
    for name, (owner, parts) in owners.items():
        of_ranks = shares(blocks, owner, parts)
        found[name] = StepWork(
            of_ranks.destinations,
            of_ranks.edges,
            np.concatenate([of_ranks.inputs[None], of_ranks.destinations[:-1]]),
            of_ranks.pulled.sum(axis=2),
            of_ranks.pulled.sum(axis=1),
            of_ranks.inputs,
            int(of_ranks.remote_edges.sum()),
        )
    return found
