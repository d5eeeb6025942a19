"""Networks on mini-batches: against plain PyG, against the whole graph, and what is refused."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch_geometric import nn as pyg

from fulmen_split_parallel.networks import BatchNorm, GraphNetwork, KeyedDropout, NetworkError, Stack
from fulmen_split_parallel.networks.dropout import draws
from fulmen_split_parallel.networks.refusals import refuse_sharing
from fulmen_split_parallel.networks.stack import gat, gcn, gin, sage

WIDTH, HIDDEN, CLASSES = 6, 8, 3
MAKERS = {
    "sage": sage(),
    "sage max": sage("max"),
    "gat": gat(2),
    "gatv2": gat(2, 2),
    "gin": gin(),
    "gcn": gcn(),
}


class Mine(GraphNetwork):
    """A user's network, as the documentation shows one."""

    def __init__(self):
        super().__init__([pyg.SAGEConv(WIDTH, HIDDEN), pyg.GATConv(HIDDEN, CLASSES)])

    def layer(self, index, sources, own, layer):
        rows = self.convolve(index, sources, layer)
        return rows if index else rows.relu()


def test_a_users_network_is_the_loop_that_pyg_users_write(plain, make_batch):
    network, batch = Mine(), make_batch(plain)
    h = batch.x
    for index, (convolution, layer) in enumerate(zip(network.convolutions, batch.layers, strict=True)):
        h = convolution((h, h[: layer.num_destinations]), layer.edge_index)
        h = h if index else h.relu()

    torch.testing.assert_close(network(batch), h, rtol=0, atol=0)
    assert h.shape == (5, CLASSES)


@pytest.mark.parametrize("jump", ["last", "cat", "max"])
@pytest.mark.parametrize("name", MAKERS)
def test_a_mini_batch_of_all_edges_gives_the_whole_graphs_scores(name, jump, plain, make_batch):
    """Each seed's score is the same whatever the other seeds: nothing leaks from batch to vertex."""
    network = Stack(
        MAKERS[name], WIDTH, HIDDEN, CLASSES, 2, residual=True, jump=jump, norm="layer", dropout=0.3
    )
    network.eval()
    every = network(make_batch(plain, range(60), (-1, -1)))
    some = network(make_batch(plain, (7, 3, 11), (-1, -1)))

    torch.testing.assert_close(some, every[[7, 3, 11]], rtol=1e-12, atol=1e-12)


def test_jumping_knowledge_and_residuals_read_the_destinations_own_rows(plain, make_batch):
    """By hand, also where a rank's rows below are in another order."""
    network = Stack(sage(), WIDTH, HIDDEN, CLASSES, 2, residual=True, jump="cat")
    batch = make_batch(plain)
    x, (first, second) = batch.x, batch.layers
    one = network.convolutions[0](x, first).relu() + network.skips[0](x[: first.num_destinations])
    two = network.convolutions[1](one, second).relu() + one[: second.num_destinations]
    expected = network.head(torch.cat([one[: second.num_destinations], two], 1))
    torch.testing.assert_close(network(batch), expected, rtol=1e-12, atol=1e-12)

    order = torch.randperm(len(x))
    back = order.argsort()
    batch.x = x[order]
    first.exchange_rows, first.own_rows = lambda rows: rows[back], back[: first.num_destinations]
    torch.testing.assert_close(network(batch), expected, rtol=1e-12, atol=1e-12)


def test_batch_norm_is_torchs_in_one_process(plain, make_batch):
    ours, theirs = BatchNorm(WIDTH), nn.BatchNorm1d(WIDTH)
    rows = torch.randn(2, 30, WIDTH)
    for given in rows:
        torch.testing.assert_close(ours(given), theirs(given), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-12, atol=1e-12)
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(given), theirs(given), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(BatchNorm.convert(theirs)(given), theirs(given), rtol=1e-12, atol=1e-12)


def test_batch_norm_of_shared_rows_is_that_of_all(plain, make_batch):
    """Three ranks' rows, one of them none; the sums stand in for an all-reduce, run rank by rank."""
    rows, direction = torch.randn(2, 20, WIDTH)
    parts = [rows[:13], rows[13:], rows[:0]]
    whole = rows.clone().requires_grad_()
    expected = nn.BatchNorm1d(WIDTH)
    (expected(whole) * direction).sum().backward()

    # Every rank's copy of a sum is made from all ranks' rows: computed here from leaves of each part.
    leaves = [part.clone().requires_grad_() for part in parts]
    everything = torch.cat(leaves)
    sums = [torch.full((1,), 20.0), everything.sum(0)]
    sums.append((everything - sums[1] / 20).square().sum(0))
    outputs, norms = [], []
    for leaf in leaves:
        norm, given = BatchNorm(WIDTH), iter(sums)
        norm._sum_over_ranks = lambda _, given=given: next(given)
        outputs.append(norm(leaf))
        norms.append(norm)
    (torch.cat(outputs) * direction).sum().backward()

    torch.testing.assert_close(torch.cat([leaf.grad for leaf in leaves]), whole.grad, rtol=1e-10, atol=1e-12)
    for norm in norms:
        torch.testing.assert_close(norm.running_var, expected.running_var, rtol=1e-12, atol=1e-12)


def test_a_norm_anywhere_is_told_of_the_ranks_and_forgets_them(plain, make_batch):
    inner = nn.Sequential(nn.Linear(WIDTH, HIDDEN), BatchNorm(HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
    network = GraphNetwork([pyg.GINConv(inner)])
    batch, calls = make_batch(plain, fanouts=(3,)), []
    batch.sum_over_ranks = lambda tensor: calls.append(tensor.shape) or tensor
    network(batch)

    assert calls == [(1,), (HIDDEN,), (HIDDEN,)]
    pickle.dumps(network), copy.deepcopy(network)


def test_dropout_depends_on_mini_batch_layer_and_vertex_alone(plain, make_batch):
    dropout, vertices, rows = KeyedDropout(0.25, 0), torch.arange(4000), torch.ones(4000, 10)
    batch = make_batch(plain)
    dropout.begin(batch)
    dropped = dropout(rows, vertices)
    shuffled = torch.randperm(4000)
    torch.testing.assert_close(dropout(rows, vertices[shuffled]), dropped[shuffled], rtol=0, atol=0)
    other, later = KeyedDropout(0.25, 1), copy.copy(dropout)
    other.begin(batch)
    later._key += 1
    for differs in (other(rows, vertices), later(rows, vertices)):
        agreement = ((differs == 0) == (dropped == 0)).double().mean()
        assert abs(agreement - (0.75**2 + 0.25**2)) < 0.015
    assert abs((dropped == 0).double().mean() - 0.25) < 0.01
    assert abs(dropped.mean() - 1) < 0.01
    dropout.eval()
    assert dropout(rows, vertices) is rows


def test_dropouts_numbers_are_uniform_in_every_column():
    numbers = draws(torch.tensor(3), torch.arange(16384), 7)
    counts = torch.stack([torch.bincount(numbers[:, column] >> 12, minlength=16) for column in range(7)])

    assert numbers.min() >= 0
    assert numbers.max() < 65536
    # 15 degrees of freedom: 44.3 is exceeded once in 10,000 times.
    assert ((counts - 1024.0).square().sum(1) / 1024 < 44.3).all()


@pytest.mark.parametrize(
    ("convolution", "instead"),
    [
        (pyg.GCNConv(4, 4), "DegreeConvolution"),
        (pyg.SGConv(4, 4), "DegreeConvolution"),
        (pyg.ClusterGCNConv(4, 4), "SAGEConv"),
        (pyg.PNAConv(4, 4, ["mean"], ["identity"], torch.ones(3)), "SAGEConv"),
        (pyg.ChebConv(4, 4, 2), "GATConv"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_what_cannot_take_blocks_is_refused_with_what_to_use_instead(convolution, instead):
    with pytest.raises(NetworkError, match=f"^{type(convolution).__name__} takes .* use .*{instead}"):
        GraphNetwork([convolution])


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(4), pyg.BatchNorm(4), pyg.GraphNorm(4), pyg.LayerNorm(4)])
def test_statistics_of_one_ranks_rows_are_refused(norm):
    with pytest.raises(
        NetworkError, match=r"convolutions.0.nn.1.* use fulmen_split_parallel.networks.BatchNorm"
    ):
        refuse_sharing(GraphNetwork([pyg.GINConv(nn.Sequential(nn.Linear(4, 4), norm))]))
    refuse_sharing(
        GraphNetwork(
            [pyg.GINConv(nn.Sequential(nn.LayerNorm(4), BatchNorm(4), pyg.LayerNorm(4, mode="node")))]
        )
    )


BAD = {
    "layers is 0": lambda: Stack(sage(), 4, 4, 2, 0),
    "hidden_channels is -1": lambda: Stack(sage(), 4, -1, 2, 2),
    "heads is 3, hidden_channels 8; .* set hidden_channels to 9": lambda: Stack(gat(3), 4, 8, 2, 2),
    "heads is 0": lambda: gat(0),
    "version is 3": lambda: gat(2, 3),
    "dropout is 1.0": lambda: Stack(sage(), 4, 4, 2, 2, dropout=1.0),
    "jump is 'lstm'": lambda: Stack(sage(), 4, 4, 2, 2, jump="lstm"),
    "norm is 'graph'": lambda: Stack(sage(), 4, 4, 2, 2, norm="graph"),
    "activation is 'gelu'": lambda: Stack(sage(), 4, 4, 2, 2, activation="gelu"),
    "aggregation is 'median'": lambda: Stack(sage("median"), 4, 4, 2, 2),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_options_are_refused(message):
    with pytest.raises(NetworkError, match=message):
        BAD[message]()


def test_a_mini_batch_of_another_depth_is_refused(plain, make_batch):
    with pytest.raises(NetworkError, match="2 convolutions, the mini-batch 1 layers"):
        Mine()(make_batch(plain, fanouts=(3,)))


def test_edge_weights_reach_a_convolution_or_are_refused(graph, make_batch):
    batch = make_batch(graph, fanouts=(4,))
    layer = batch.layers[0]
    pair = (batch.x, batch.x[: layer.num_destinations])
    weighted = pyg.GraphConv(WIDTH, CLASSES)
    edged = pyg.GATConv(WIDTH, CLASSES, edge_dim=1)
    torch.testing.assert_close(
        GraphNetwork([weighted])(batch), weighted(pair, layer.edge_index, layer.edge_weight)
    )
    torch.testing.assert_close(
        GraphNetwork([edged])(batch), edged(pair, layer.edge_index, layer.edge_weight[:, None])
    )
    with pytest.raises(NetworkError, match="SAGEConv would leave out the graph's edge weights"):
        GraphNetwork([pyg.SAGEConv(WIDTH, CLASSES)])(batch)
    ignoring = GraphNetwork([weighted], use_edge_weight=False)(batch)
    torch.testing.assert_close(ignoring, weighted(pair, layer.edge_index))
