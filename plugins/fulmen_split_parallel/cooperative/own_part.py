"""A rank's part of a mini-batch, as networks take it."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from fulmen_split_parallel.cooperative.plan import CooperativePlan
from fulmen_split_parallel.cooperative.reduction import SumOverRanks
from fulmen_split_parallel.cooperative.shuffle import Shuffle
from fulmen_split_parallel.cooperative.transport import Transport
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.networks.batch import GraphBatch
from fulmen_split_parallel.networks.single import layer_of


def own_part(
    plan: CooperativePlan,
    graph: Graph,
    memory: Tensor,
    transport: Transport,
    *,
    num_seeds: int,
    num_shares: int,
    key: int = 0,
) -> GraphBatch:
    """Return the batch of one rank.

    Args:
        plan: What this rank does.
        graph: Where labels, edge weights and degrees come from.
        memory: float (at least I, F), beginning with the features of the plan's `inputs`. Where there is room
            for `landing_rows`, features from other ranks are received behind them, and nothing is copied.
        transport: What the network's exchanges go through; not the planner's, which works at the same time.
        num_seeds: Seeds of the whole mini-batch, over all groups.
        num_shares: Ranks over which gradients are averaged, in all groups.
        key: Of the network's random draws.
    """
    edges, input_rows, shuffled_rows = plan.counts[transport.rank].tolist()
    counts = {
        "edges": edges,
        "input_rows": input_rows,
        "shuffled_rows": shuffled_rows,
        "imbalance": plan.imbalance,
        "exchange_seconds": 0.0,  # grows while the mini-batch is computed
    }
    layers = []
    for number, layer in enumerate(plan.layers):
        room = number == 0 and len(memory) >= landing_rows(plan)
        shuffle = Shuffle(layer.route, transport, counts, memory if room else None)
        start = layer.route.kept_start
        own = slice(start, start + layer.block.num_destinations) if start else None
        made = layer_of(layer.block, graph)
        layers.append(dataclasses.replace(made, exchange_rows=shuffle, own_rows=own, apart=shuffle))
    return GraphBatch(
        x=memory[: len(plan.inputs)],
        inputs=torch.from_numpy(plan.inputs),
        layers=layers,
        seeds=torch.from_numpy(plan.home_seeds),
        y=torch.from_numpy(graph.labels[plan.home_seeds]),
        num_seeds=num_seeds,
        num_shares=num_shares,
        home_exchange=Shuffle(plan.home, transport, counts),
        sum_over_ranks=SumOverRanks(transport),
        key=key,
        counts=counts,
    )


def landing_rows(plan: CooperativePlan) -> int:
    """Return the rows of memory in which the features of the lowest layer's sources can be received."""
    if not plan.layers:
        return len(plan.inputs)
    route = plan.layers[0].route
    return max(route.rows_in, route.kept_start + route.rows_out)
