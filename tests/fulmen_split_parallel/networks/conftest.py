"""A small random graph, and one mini-batch of it in float64."""

import dataclasses

import numpy as np
import pytest
import torch

from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.networks.single import batch_of
from fulmen_split_parallel.sampling.mini_batch import sample_blocks
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler

VERTICES, EDGES, FEATURES, CLASSES = 60, 400, 6, 3


@pytest.fixture
def graph() -> Graph:
    """Edges in no order, some twice, some from a vertex to itself; vertex 7 has no in-edge."""
    rng = np.random.default_rng(1)
    source, target = rng.integers(0, VERTICES, (2, EDGES))
    source, target = source[target != 7], target[target != 7]
    source = np.append(source, [3, 4])
    target = np.append(target, [3, 4])
    order = np.argsort(target, kind="stable")
    counts = np.bincount(target, minlength=VERTICES)
    every = np.arange(VERTICES)
    return Graph(
        indptr=np.concatenate([[0], np.cumsum(counts)]),
        indices=source[order],
        features=rng.normal(size=(VERTICES, FEATURES)).astype(np.float32),
        labels=rng.integers(0, CLASSES, VERTICES),
        train_idx=every[:30],
        valid_idx=every[30:40],
        test_idx=every[40:],
        edge_weight=rng.uniform(0.5, 2, len(source)).astype(np.float32),
    )


@pytest.fixture
def plain(graph) -> Graph:
    """The same graph without weights."""
    return dataclasses.replace(graph, edge_weight=None)


@pytest.fixture
def make_batch():
    """Return a function that samples a mini-batch of a graph: batch(graph, seeds, fanouts)."""

    def batch(graph, seeds=(7, 3, 4, 20, 11), fanouts=(3, 4)):
        seeds = np.asarray(seeds, dtype=np.int64)
        blocks = sample_blocks(NeighbourSampler(graph), seeds, fanouts, seed=0, epoch=0, step=0)
        made = batch_of(graph, seeds, blocks, key=5)
        return in_double(made)

    return batch


def in_double(batch):
    batch.x = batch.x.double()
    for layer in batch.layers:
        if layer.edge_weight is not None:
            layer.edge_weight = layer.edge_weight.double()
    return batch


@pytest.fixture(autouse=True)
def _float64():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
