"""Promise: loss and every gradient of P ranks are those of one process on the same mini-batch, to 1e-12."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
from test_plan import owners
from torch import nn
from torch.nn import functional as F
from torch_geometric.nn import GATConv, GATv2Conv, GINConv, SAGEConv

from fulmen_split_parallel.cooperative.own_part import landing_rows, own_part
from fulmen_split_parallel.cooperative.plan import Planner
from fulmen_split_parallel.networks import Stack
from fulmen_split_parallel.networks.stack import sage
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler

FANOUTS = [6, 4, 3]
CONVOLUTIONS = {
    "sage-mean": lambda i, o: SAGEConv(i, o),
    "sage-max": lambda i, o: SAGEConv(i, o, aggr="max"),
    "gat": lambda i, o: GATConv(i, o, heads=2, concat=False),
    "gatv2": lambda i, o: GATv2Conv(i, o, heads=2, concat=False),
    "gin": lambda i, o: GINConv(nn.Sequential(nn.Linear(i, o), nn.Tanh())),
}


class Network(nn.Module):
    """Three layers of PyG's, with residual connections and exact batch statistics if asked."""

    def __init__(self, kind, extras=False):
        super().__init__()
        widths = [12, 8, 8, 5]
        self.convolutions = nn.ModuleList(CONVOLUTIONS[kind](*pair) for pair in itertools.pairwise(widths))
        self.extras = extras
        self.skip = nn.Linear(12, 8)

    def forward(self, batch):
        h, first = batch.x, None
        for depth, (convolution, layer) in enumerate(zip(self.convolutions, batch.layers, strict=True)):
            rows = layer.exchange(h)
            out = convolution((rows, rows[: layer.num_destinations]), layer.edge_index)
            if self.extras and depth == 0:
                out = out + self.skip(layer.own(h))
                first = out = self.normalise(out, batch)
            if self.extras and depth == 2:
                out = out + layer.exchange(first[: len(h)])[: layer.num_destinations, :5]
            h = torch.tanh(out) if depth < 2 else out
            if first is not None and depth == 1:
                first = layer.own(first)
        return batch.home(h)

    @staticmethod
    def normalise(h, batch):
        count = batch.sum_over_ranks(torch.tensor(float(len(h)), dtype=h.dtype))
        mean = batch.sum_over_ranks(h.sum(0)) / count
        variance = batch.sum_over_ranks((h - mean).square().sum(0)) / count
        return (h - mean) / (variance + 1e-5).sqrt()


def network_of(kind, extras):
    """PyG's convolution, or GraphSAGE of ours, which leaves own rows where they are."""
    if kind != "stack of sage":
        return Network(kind, extras).double()
    options = {"residual": True, "jump": "cat"} if extras else {}
    return Stack(sage(), 12, 8, 5, 3, **options).double()


def step(transports, graph, owner, network, seeds, loss):
    """One rank's loss and gradients of one mini-batch."""
    network = copy.deepcopy(network)
    planner = Planner(NeighbourSampler(graph), owner, transports[0])
    plan = planner.plan(seeds, FANOUTS, seed=1, epoch=0, step=5)
    x = torch.from_numpy(graph.features[plan.inputs]).double()
    size = transports[0].size
    # With an even number of seeds there is room for what others send, as in a run; else there is none.
    memory = torch.full((landing_rows(plan), 12), torch.nan, dtype=torch.float64)
    memory[: len(x)] = x
    memory = x if len(seeds) % 2 else memory
    batch = own_part(plan, graph, memory, transports[1], num_seeds=len(seeds), num_shares=size)
    value = loss(network(batch), batch)
    value.backward()
    assert batch.x.grad is None
    assert torch.equal(batch.x, x)
    return value.detach(), [parameter.grad for parameter in network.parameters()]


def unmodified(scores, batch):
    return F.cross_entropy(scores, batch.y)


def shared(scores, batch):
    return batch.mean(F.cross_entropy(scores, batch.y, reduction="none"))


def averaged(results):
    """What DDP makes of the ranks' gradients, and the mean of their losses."""
    losses, gradients = zip(*results, strict=True)
    means = []
    for parts in zip(*gradients, strict=True):
        known = [part for part in parts if part is not None]
        means.append(sum(known) / len(parts) if known else None)
    return sum(losses) / len(losses), means


def difference(found, expected):
    """The relative difference of loss and gradients, as one vector: some true gradients are 0."""
    pairs = [
        (found[0], expected[0]),
        *((a, b) for a, b in zip(found[1], expected[1], strict=True) if b is not None),
    ]
    apart = sum(((a - b) ** 2).sum() for a, b in pairs) ** 0.5
    return float(apart / sum((b**2).sum() for _, b in pairs) ** 0.5)


CASES = [(size, of, True) for size in (2, 4) for of in ("aligned", "random", "one rank")] + [
    (4, "random", False)
]


@pytest.mark.parametrize("kind", [*CONVOLUTIONS, "stack of sage"])
def test_loss_and_gradients_are_those_of_one_process(ranks, graph, kind):
    torch.manual_seed(0)
    expected, seeds = {}, graph.train_idx
    for extras in (True, False):
        network = network_of(kind, extras)
        nobody = np.zeros(graph.num_vertices, np.uint8)
        many, few = (seeds[:40], unmodified), (seeds[:7], shared)  # 7: not as many for each rank
        for case, (size, of, wanted) in enumerate(CASES):
            if wanted == extras:
                batch = few if case % 3 else many
                key = extras, len(batch[0])
                if key not in expected:
                    (expected[key],) = ranks(1, step, graph, nobody, network, *batch)
                found = averaged(ranks(size, step, graph, owners(of, graph, size), network, *batch))
                assert difference(found, expected[key]) < 1e-12, (size, of, extras)


def test_fewer_seeds_than_ranks_leave_nobody_behind(ranks, graph):
    network = Network("sage-mean").double()
    seeds, owner = graph.train_idx[:2], owners("aligned", graph, 4)
    ((loss, gradients),) = ranks(1, step, graph, np.zeros_like(owner), network, seeds, shared)
    assert (
        difference(averaged(ranks(4, step, graph, owner, network, seeds, shared)), (loss, gradients)) < 1e-12
    )

    # The mean of no seeds is not a number, but has no gradient either; the strategy weighs by 4 / 2.
    _, unweighed = averaged(ranks(4, step, graph, owner, network, seeds, unmodified))
    weighed = [None if gradient is None else gradient * 2 for gradient in unweighed]
    assert difference((loss, weighed), (loss, gradients)) < 1e-12


def test_the_mean_over_owned_seeds_averaged_over_ranks_is_wrong(ranks, graph):
    """The oracle can fail: this is what the authors' artefact does."""

    def step_naively(transports, network, owner, seeds):
        plan = Planner(NeighbourSampler(graph), owner, transports[0]).plan(
            seeds, FANOUTS, seed=1, epoch=0, step=5
        )
        x = torch.from_numpy(graph.features[plan.inputs]).double()
        batch = own_part(plan, graph, x, transports[1], num_seeds=40, num_shares=2)
        batch.home_exchange = None
        batch.y = torch.from_numpy(graph.labels[plan.seeds])
        copied = copy.deepcopy(network)
        value = F.cross_entropy(copied(batch), batch.y)
        value.backward()
        return value.detach(), [parameter.grad for parameter in copied.parameters()]

    network, seeds = Network("sage-mean").double(), graph.train_idx[:40]
    owner = owners("random", graph, 2)
    owner[seeds[:25]] = 0
    (expected,) = ranks(1, step, graph, np.zeros_like(owner), network, seeds, unmodified)

    assert difference(averaged(ranks(2, step_naively, network, owner, seeds)), expected) > 1e-3
    assert difference(averaged(ranks(2, step, graph, owner, network, seeds, unmodified)), expected) < 1e-12
