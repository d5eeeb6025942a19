"""The convolutions give what PyG's give on the same blocks, with the same weights."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.nn import GATConv, GCNConv, GINConv, GraphConv, SAGEConv

from fulmen_split_parallel.networks import (
    AttentionConvolution,
    DegreeConvolution,
    GinConvolution,
    GraphLayer,
    SageConvolution,
)
from fulmen_split_parallel.networks.single import layer_of
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler

WIDTH, OUT = 6, 8


def perceptron():
    return nn.Sequential(nn.Linear(WIDTH, 5), nn.Tanh(), nn.Linear(5, OUT))


PAIRS = {
    "sage mean": (SageConvolution(WIDTH, OUT), SAGEConv(WIDTH, OUT)),
    "sage max": (SageConvolution(WIDTH, OUT, "max"), SAGEConv(WIDTH, OUT, "max")),
    "gin": (GinConvolution(perceptron(), 0.3, True), GINConv(perceptron(), 0.3, True)),
    "gat": (AttentionConvolution(WIDTH, 4, 2), GATConv(WIDTH, 4, 2)),
    "gat averaged": (AttentionConvolution(WIDTH, OUT, 3, False), GATConv(WIDTH, OUT, 3, False)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_values_and_gradients_are_pygs(name, plain, make_batch):
    ours, theirs = (module.double() for module in PAIRS[name])
    theirs.load_state_dict(ours.state_dict())
    layer = make_batch(plain).layers[0]
    rows = torch.randn(len(layer.sources), WIDTH)
    found, expected = rows.clone().requires_grad_(), rows.clone().requires_grad_()
    got = ours(ours.project(found), layer)
    pyg = theirs((expected, expected[: layer.num_destinations]), layer.edge_index)
    torch.testing.assert_close(got, pyg, rtol=1e-12, atol=1e-12)

    direction = torch.randn_like(pyg)
    (got * direction).sum().backward()
    (pyg * direction).sum().backward()
    torch.testing.assert_close(found.grad, expected.grad, rtol=1e-12, atol=1e-12)
    for (key, mine), his in zip(
        ours.named_parameters(), dict(theirs.named_parameters()).values(), strict=True
    ):
        torch.testing.assert_close(mine.grad, his.grad, rtol=1e-12, atol=1e-12, msg=key)


def test_a_mean_in_pieces_is_the_mean(plain, make_batch):
    """In one process; between ranks it is the oracle that shows it."""
    convolution = SageConvolution(WIDTH, OUT).double()
    layer = make_batch(plain).layers[0]
    rows = torch.randn(len(layer.sources), WIDTH, dtype=torch.float64, requires_grad=True)
    found, expected = convolution.pull(rows, layer), convolution(rows, layer)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)

    direction = torch.randn_like(expected)
    (right,) = torch.autograd.grad(expected, rows, direction)
    for _ in range(2):  # the graph may be kept
        (gradient,) = torch.autograd.grad(found, rows, direction, retain_graph=True)
        torch.testing.assert_close(gradient, right, rtol=1e-12, atol=1e-12)


def test_edge_weights_count_as_in_pygs_weighted_mean(graph, make_batch):
    layer = make_batch(graph).layers[0]
    rows = torch.randn(len(layer.sources), WIDTH)
    ours = SageConvolution(WIDTH, OUT)
    theirs = GraphConv(WIDTH, OUT, aggr="add")
    theirs.load_state_dict(
        {
            "lin_rel.weight": ours.lin_l.weight,
            "lin_rel.bias": ours.lin_l.bias,
            "lin_root.weight": ours.lin_r.weight,
        }
    )
    ends = layer.edge_index[1]
    total = torch.zeros(layer.num_destinations).index_add(0, ends, layer.edge_weight)
    pyg = theirs((rows, rows[: layer.num_destinations]), layer.edge_index, layer.edge_weight / total[ends])
    torch.testing.assert_close(ours(rows, layer), pyg, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "make", [lambda: AttentionConvolution(WIDTH, 4, 2), lambda: GinConvolution(nn.Identity())]
)
def test_an_edge_of_weight_two_counts_as_two_edges(make, plain, make_batch):
    convolution = make()
    layer = make_batch(plain).layers[1]
    rows = convolution.project(torch.randn(len(layer.sources), WIDTH))
    twice = GraphLayer(
        layer.sources,
        layer.num_destinations,
        layer.indptr * 2,
        layer.indices.repeat_interleave(2),
    )
    layer.edge_weight = torch.full((layer.num_edges,), 2.0)
    torch.testing.assert_close(convolution(rows, layer), convolution(rows, twice), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_degree_convolution_on_all_edges_is_pygs_gcn_on_the_whole_graph(weighted, graph, plain, make_batch):
    """Blocks of some vertices with all their in-edges: the sources' degrees are not in the blocks."""
    used = graph if weighted else plain
    keep = used.indices != used_targets(used)  # GCNConv replaces loops by its own: leave them out
    used = without(used, keep)
    ours, theirs = DegreeConvolution(WIDTH, OUT), GCNConv(WIDTH, OUT)
    theirs.load_state_dict(ours.state_dict())
    layer = make_batch(used, seeds=(20, 11, 7), fanouts=(-1,)).layers[0]
    x = torch.from_numpy(used.features).double()
    edge_index = torch.stack([torch.from_numpy(used.indices), torch.from_numpy(used_targets(used))])
    weight = torch.from_numpy(used.edge_weight).double() if weighted else None
    whole = theirs(x, edge_index, weight)
    torch.testing.assert_close(ours(x[layer.sources], layer), whole[[20, 11, 7]], rtol=1e-6, atol=1e-7)


def test_degree_convolution_is_unbiased_under_sampling(plain, make_batch):
    convolution = DegreeConvolution(WIDTH, 1)
    x = torch.from_numpy(plain.features).double()
    sampler = NeighbourSampler(plain)

    def value(fanout, step):
        block = sampler.sample(np.array([20]), fanout, seed=0, epoch=0, step=step, layer=0)
        layer = layer_of(block, plain)
        return convolution(x[layer.sources], layer).item()

    draws = torch.tensor([value(2, step) for step in range(400)])
    assert draws.std() > 0
    assert abs(draws.mean() - value(-1, 0)) < 4 * draws.std() / 20


@pytest.mark.parametrize("name", PAIRS)
def test_a_rank_without_vertices_takes_part(name):
    layer = GraphLayer(
        torch.zeros(0, dtype=torch.long), 0, torch.zeros(1, dtype=torch.long), torch.zeros(0).long()
    )
    convolution = PAIRS[name][0].double()
    rows = convolution.project(torch.zeros(0, WIDTH, requires_grad=True))
    out = convolution(rows, layer)
    out.sum().backward()
    assert out.shape[0] == 0


def used_targets(graph):
    return np.repeat(np.arange(graph.num_vertices), np.diff(graph.indptr))


def without(graph, keep):
    counts = np.bincount(used_targets(graph)[keep], minlength=graph.num_vertices)
    return dataclasses.replace(
        graph,
        indptr=np.concatenate([[0], np.cumsum(counts)]),
        indices=graph.indices[keep],
        edge_weight=None if graph.edge_weight is None else graph.edge_weight[keep],
    )
