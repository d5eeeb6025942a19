"""Inference layer by layer: every vertex's scores from all its in-edges, in bounded memory."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fulmen.testing.processes import in_fresh_processes
from fulmen_split_parallel.networks import GraphNetwork, NetworkError, Perceptron, Stack
from fulmen_split_parallel.networks.layerwise import OneProcess, chunk_bounds, infer
from fulmen_split_parallel.networks.stack import gat, gcn, sage
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler

sys.path.insert(0, str(Path(__file__).parents[1]))

import private_memory

NETWORKS = {
    "sage": lambda: Stack(sage(), 6, 8, 3, 2, residual=True, norm="batch", dropout=0.5),
    "jumping gat": lambda: Stack(gat(2), 6, 8, 3, 2, residual=True, jump="cat"),
    "gatv2": lambda: Stack(gat(2, 2), 6, 8, 3, 2, jump="max"),
    "gcn": lambda: Stack(gcn(), 6, 8, 3, 2),
    "perceptron": lambda: Perceptron(6, 8, 3, 2),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_gives_what_a_mini_batch_of_all_edges_gives(name, plain, make_batch, tmp_path):
    network = NETWORKS[name]().eval()
    expected = network(make_batch(plain, range(60), (-1, -1)))
    scores = infer(network, OneProcess(plain, NeighbourSampler(plain), chunk_edges=7), folder=tmp_path)

    assert len(scores) == 60
    torch.testing.assert_close(scores[:], expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(scores[np.array([7, 3])], expected[[7, 3]], rtol=1e-12, atol=1e-12)
    assert list(tmp_path.iterdir()) == []


def test_edge_weights_count(graph, make_batch):
    network = Stack(sage(), 6, 8, 3, 2).eval()
    scores = infer(network, OneProcess(graph, NeighbourSampler(graph), chunk_edges=50))

    torch.testing.assert_close(scores[:], network(make_batch(graph, range(60), (-1, -1))))


def test_chunks_are_bounded_and_hold_every_vertex_once(plain):
    bounds = list(chunk_bounds(plain, np.arange(60), 12))
    sizes = [plain.indptr[stop] - plain.indptr[start] + stop - start for start, stop in bounds]

    assert np.concatenate([np.arange(*bound) for bound in bounds]).tolist() == list(range(60))
    assert all(size <= 12 or stop - start == 1 for size, (start, stop) in zip(sizes, bounds, strict=True))
    assert any(size > 12 for size in sizes)


def test_a_forward_of_its_own_is_refused(plain):
    class Own(GraphNetwork):
        def forward(self, batch):
            return batch.x

    with pytest.raises(NetworkError, match="Own has a forward of its own"):
        infer(Own([]), OneProcess(plain, NeighbourSampler(plain)))


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="reads private memory from /proc")
def test_its_own_memory_is_that_of_a_chunk(tmp_path):
    """A layer's rows are 49 MiB; a chunk's 2 MiB, and some times that for what is made of them."""
    ((grown, rows),) = in_fresh_processes(private_memory.of_inference, folder=tmp_path)

    assert rows == 100_000
    assert grown < 30 << 20
