"""From the seeds of a mini-batch to a rank's part of it."""

from __future__ import annotations

import time

import numpy as np
import torch
from numpy.typing import NDArray

from fulmen_split_parallel.cooperative.hot_rows import HotRows
from fulmen_split_parallel.cooperative.opening import Transports
from fulmen_split_parallel.cooperative.own_part import landing_rows, own_part
from fulmen_split_parallel.cooperative.plan import Planner
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.networks.batch import GraphBatch


class BatchBuilder:
    """Plans, loads and wraps one mini-batch after another, together with the other ranks of its group.

    Groups are data parallel to each other: of N seeds, group k of K takes those at k, k + K, k + 2 K, ...

    Args:
        graph: What is trained on.
        planner: Of this rank's group.
        features: What rows are loaded from.
        transports: Of this rank's group; the planner has that of ids already.
        group: Which group this is.
        groups: K.
        ranks: Ranks of the run, over which gradients are averaged.
    """

    def __init__(
        self,
        graph: Graph,
        planner: Planner,
        features: HotRows,
        transports: Transports,
        group: int,
        groups: int,
        ranks: int,
    ) -> None:
        self.graph, self.planner, self.features, self.transports = graph, planner, features, transports
        self.group, self.groups, self.ranks = group, groups, ranks

    def build(
        self,
        seeds: NDArray[np.int64],
        fanouts: list[int],
        *,
        seed: int,
        epoch: int,
        step: int,
        key: int,
    ) -> GraphBatch:
        """Return this rank's part of a mini-batch. Collective.

        Args:
            seeds: int64 (N,), of the whole mini-batch: the same on all ranks of all groups.
            fanouts: In-edges for each vertex, the seeds' layer first.
            seed: Of the run.
            epoch: Counted from 0.
            step: The mini-batch's number within the epoch.
            key: Of the network's random draws, the same on all ranks.
        """
        started = time.perf_counter()
        own_seeds = seeds[self.group :: self.groups]
        plan = self.planner.plan(own_seeds, fanouts, seed=seed, epoch=epoch, step=step)
        planned = time.perf_counter()
        hits = self.features.hits
        memory = self.features.take(plan.inputs, landing_rows(plan))
        if memory.dtype == torch.float16:
            memory = memory[: len(plan.inputs)].float()
        loaded = time.perf_counter()
        batch = own_part(
            plan,
            self.graph,
            memory,
            self.transports.rows,
            num_seeds=len(seeds),
            num_shares=self.ranks,
            key=key,
        )
        batch.counts.update(
            cache_hits=self.features.hits - hits,
            sample_seconds=planned - started,
            load_seconds=loaded - planned,
        )
        return batch
