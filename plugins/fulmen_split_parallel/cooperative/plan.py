"""Which rank samples, loads and sends what for one mini-batch.

Cooperative sampling, as in GSplit (arXiv:2303.13775).
Every vertex of the mini-batch has one owner, who samples its in-edges, loads its features and computes its
hidden rows, whichever ranks need them. From the seeds down, with F the vertices that this rank computes in a
layer::

    sample in-edges of F; S = F, then the sources that are its own, then the others by owner
    ask the owners of the others for them; what is asked of this rank joins F and its own: F one layer down

F begins with what S begins with, so that a rank's own rows need no index to get from one layer into the next,
and what comes from the other ranks is already in order.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fulmen_split_parallel.cooperative.by_owner import move_indices, sort_by_owner
from fulmen_split_parallel.cooperative.route import Route, home_route
from fulmen_split_parallel.cooperative.transport import Transport, gather
from fulmen_split_parallel.sampling.block import Block
from fulmen_split_parallel.sampling.relabelling import relabelling
from fulmen_split_parallel.sampling.sampler import Sampler


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """One layer of a mini-batch at one rank.

    Attributes:
        block: The in-edges of the destinations that this rank owns, and their sources.
        route: From the rows that this rank computes in the layer below to those of the block's sources.
    """

    block: Block
    route: Route


@dataclass(frozen=True, eq=False)
class CooperativePlan:
    """One rank's part in one mini-batch.

    Attributes:
        layers: From the inputs up.
        inputs: int64 (I,), vertices that this rank owns and loads: disjoint between ranks.
        seeds: int64, the seeds that this rank owns, in the mini-batch's order: the last layer's destinations.
        home: From the outputs of `seeds` to those of `home_seeds`.
        home_seeds: int64, the seeds that this rank scores, about a P-th of all.
        counts: int64 (P, 3), for each rank: edges sampled, rows loaded, rows received from others (all
            layers).
    """

    layers: list[LayerPlan]
    inputs: NDArray[np.int64]
    seeds: NDArray[np.int64]
    home: Route
    home_seeds: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def imbalance(self) -> float:
        """Edges of the busiest rank over the mean; 1 where no rank has any."""
        edges = self.counts[:, 0]
        return float(edges.max() / edges.mean()) if edges.any() else 1.0


class Planner:
    """Plans mini-batches with the other ranks of a group.

    Args:
        sampler: Draws in-edges; the same on all ranks.
        owner: uint8 or uint16 (V,), who owns each vertex: a rank of the group.
        transport: Between the ranks of the group; this planner's alone.

    Raises:
        ValueError: `owner` is not one number of a rank for each vertex.
    """

    def __init__(self, sampler: Sampler, owner: NDArray[np.integer], transport: Transport) -> None:
        if len(owner) != sampler.graph.num_vertices or int(owner.max(initial=0)) >= transport.size:
            raise ValueError(
                f"{len(owner)} owners up to {int(owner.max(initial=0))} for {sampler.graph.num_vertices} "
                f"vertices "
                f"and {transport.size} ranks; expected one owner below the number of ranks for each vertex."
            )
        self.sampler, self.owner, self.transport = sampler, owner, transport
        self._relabelling = relabelling(len(owner))

    def plan(
        self, seeds: NDArray[np.int64], fanouts: Sequence[int], *, seed: int, epoch: int, step: int
    ) -> CooperativePlan:
        """Plan one mini-batch. Collective: all ranks give the same arguments.

        Args:
            seeds: int64 (N,), the seeds of the mini-batch, each once.
            fanouts: In-edges for each vertex, the seeds' layer first; -1 takes all.
            seed: Of the run.
            epoch: Counted from 0.
            step: The mini-batch's number within the epoch.

        Raises:
            ConnectionError: another rank is gone, or plans another mini-batch.
        """
        rank, size = self.transport.rank, self.transport.size
        owners = self.owner[seeds]
        own_seeds = frontier = seeds[owners == rank]
        layers = []
        for layer, fanout in enumerate(fanouts):
            block = self.sampler.sample(frontier, fanout, seed=seed, epoch=epoch, step=step, layer=layer)
            planned, frontier = self.cooperate(block)
            layers.append(planned)
        if layers:
            layers[-1], frontier = kept_last(layers[-1], frontier)
        home, home_seeds = home_route(seeds, owners, rank, size)
        counts = self._count(layers, frontier, zlib.crc32(seeds.tobytes(), epoch << 16 ^ step))
        return CooperativePlan(layers[::-1], frontier, own_seeds, home, home_seeds, counts)

    def cooperate(self, block: Block) -> tuple[LayerPlan, NDArray[np.int64]]:
        """Return the layer with its sources in this rank's order, and what it computes one layer down."""
        rank, size, above = self.transport.rank, self.transport.size, block.num_destinations
        beyond = block.sources[above:]
        places, wanted = sort_by_owner(beyond, self.owner, rank, size)
        sources = block.sources.copy()
        sources[above + places] = beyond
        num_kept = above + int(wanted[rank])
        wanted[rank] = 0
        asked, asked_counts = self.transport.exchange_ids(sources[num_kept:], wanted)

        frontier, asked_rows = self._relabelling.relabel(sources[:num_kept], asked)
        route = Route(
            rows_in=len(frontier),
            rows_out=len(sources),
            send=torch.from_numpy(asked_rows),
            send_counts=tuple(asked_counts.tolist()),
            recv_counts=tuple(wanted.tolist()),
            num_kept=num_kept,
        )
        indices = move_indices(block.indices, above, places)
        own_block = Block(sources, above, block.indptr, indices, block.edge_ids)
        return LayerPlan(own_block, route), frontier

    def _count(
        self, layers: Sequence[LayerPlan], inputs: NDArray[np.int64], checksum: int
    ) -> NDArray[np.int64]:
        edges = sum(layer.block.num_edges for layer in layers)
        received = sum(layer.route.num_received for layer in layers)
        everyones = gather(self.transport, np.array([edges, len(inputs), received, checksum], np.int64))
        if (everyones[:, 3] != checksum).any():
            raise ConnectionError(
                "split_parallel: the ranks are out of step: they plan different mini-batches; every rank "
                "needs the same data, seed and order."
            )
        return everyones[:, :3]


def kept_last(layer: LayerPlan, inputs: NDArray[np.int64]) -> tuple[LayerPlan, NDArray[np.int64]]:
    """Return a layer and the vertices below it, those in front that only other ranks need.

    The rows that stay then stand at the end, where those that come can be written behind them.
    """
    route = layer.route
    only_sent = len(inputs) - route.num_kept
    moved = torch.where(route.send < route.num_kept, route.send + only_sent, route.send - route.num_kept)
    route = dataclasses.replace(route, send=moved, kept_start=only_sent)
    return LayerPlan(layer.block, route), np.roll(inputs, only_sent)
