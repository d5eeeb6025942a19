"""Partitioners find what is there, keep the loads even, and give every part a vertex."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from partition_toys import cliques, graph_of

from fulmen_split_parallel.graph.degree_corrected import DegreeCorrectedSBM
from fulmen_split_parallel.partition.make import METHODS, partition
from fulmen_split_parallel.partition.metis import metis
from fulmen_split_parallel.partition.presampling import presample
from fulmen_split_parallel.partition.quality import quality
from fulmen_split_parallel.partition.restreaming import _evened, restream
from fulmen_split_parallel.partition.weighted_graph import WeightedGraph, weighted_graph
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler


@pytest.mark.parametrize("method", ["restreaming", "metis"])
@pytest.mark.parametrize("epochs", [0, 2])
def test_cliques_stay_whole(method, epochs):
    graph = cliques(4, 12, bridges=[(0, 12), (13, 24), (25, 36)])

    owner = partition(graph, method, 4, [5, 5], 16, epochs).owner.reshape(4, 12)

    assert (owner == owner[:, :1]).all()
    assert sorted(owner[:, 0]) == [0, 1, 2, 3]


@pytest.mark.parametrize(("method", "parts"), list(product(METHODS, (1, 2, 7, 300))))
def test_every_part_has_a_vertex(method, parts):
    graph = cliques(100, 3)
    found = partition(graph, method, parts, [2], 30, 1)

    assert set(found.owner) == set(range(parts))
    assert found.owner.dtype == (np.uint8 if parts <= 255 else np.uint16)


@pytest.mark.parametrize("method", METHODS)
def test_graphs_of_few_vertices_and_without_edges(method):
    lonely = graph_of([], 5)
    pair = graph_of([(0, 1), (1, 0)], 2)

    assert sorted(partition(lonely, method, 5, [3], 2, 1).owner) == [0, 1, 2, 3, 4]
    assert sorted(partition(pair, method, 2, [3], 2, 1).owner) == [0, 1]


def test_the_same_seed_gives_the_same_partition():
    graph = DegreeCorrectedSBM(num_vertices=2000, num_features=1).make()
    for method in METHODS:
        one, again, other = (partition(graph, method, 3, [5, 5], 100, 1, seed=s) for s in (1, 1, 2))

        assert one.digest == again.digest
        assert one.digest != other.digest


@settings(max_examples=60, deadline=None)
@given(data=st.data(), vertices=st.integers(2, 12), parts=st.integers(2, 4))
def test_the_weighted_graph_is_the_sum_of_both_directions(data, vertices, parts):
    """Against a dense matrix: loops gone, undrawn edges gone, parallel and opposite edges added."""
    ends = st.integers(0, vertices - 1)
    edges = data.draw(st.lists(st.tuples(ends, ends), max_size=30))
    counts = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=len(edges), max_size=len(edges))), np.int64
    )
    work = np.array(data.draw(st.lists(st.integers(0, 5), min_size=vertices, max_size=vertices)))
    graph = graph_of(edges, vertices)
    dense = np.zeros((vertices, vertices), np.int64)
    for e, (u, v) in enumerate(sorted(edges, key=lambda edge: edge[1])):
        if u != v:
            dense[u, v] += counts[e]
            dense[v, u] += counts[e]

    found = weighted_graph(graph.indptr, graph.indices, counts, work)

    back = np.zeros_like(dense)
    rows = np.repeat(np.arange(vertices), np.diff(found.indptr))
    back[rows, found.neighbours] = found.edge_weights  # assigned: an edge that stands twice would show
    assert (back == dense).all()
    assert (found.edge_weights > 0).all()
    assert (found.vertex_weights == work * max(1, len(edges) // vertices) + 1).all()
    owner = restream(found, parts)
    assert owner.max() < parts


def test_restreaming_cuts_no_more_than_metis():
    """The bars of the benchmark on a smaller graph; METIS stands for what is possible."""
    graph = DegreeCorrectedSBM(num_vertices=20_000, communities=30, num_features=1).make()
    sampler = NeighbourSampler(graph)
    counts = presample(sampler, [15, 10, 5], 512, 2, 0)
    weighted = weighted_graph(graph.indptr, graph.indices, counts.edges, counts.work)
    for parts, most in ((2, 1.05), (8, 1.12)):
        owners = restream(weighted, parts), metis(weighted, parts)
        ours, theirs = (quality(sampler, owner, parts, [15, 10, 5], 512, 0, batches=4) for owner in owners)
        loads = np.bincount(owners[0], weighted.vertex_weights)

        assert loads.max() <= 1.0031 * loads.mean()
        assert ours.cut <= 1.05 * theirs.cut
        assert ours.imbalance <= most


def test_a_part_above_its_share_gives_what_costs_the_least_cut():
    """Five vertices that hang together and one that hardly does, of ten in two parts: it is the one to go."""
    edges = [(a, b, 9) for a in range(5) for b in range(5) if a != b] + [(4, 5, 1), (5, 4, 1)]
    targets, neighbours, weights = (np.array(column) for column in zip(*sorted(edges), strict=True))
    indptr = np.searchsorted(targets, np.arange(11))
    ones = np.ones(10, np.int64)
    graph = WeightedGraph(indptr, neighbours.astype(np.int32), weights, ones)

    owner = _evened(graph, 2, np.array([0] * 6 + [1] * 4, np.uint8), 1.0)

    assert owner.tolist() == [0] * 5 + [1] * 5


def test_weights_even_out_what_is_sampled_not_what_is_there():
    """All seeds in some communities: the whole graph cut evenly leaves some ranks without work."""
    graph = DegreeCorrectedSBM(
        num_vertices=20_000, communities=40, num_features=1, seed_communities=3, train_share=0.02
    ).make()
    sampler = NeighbourSampler(graph)

    def imbalance(epochs):
        owner = partition(graph, "restreaming", 4, [5, 5], 256, epochs).owner
        return quality(sampler, owner, 4, [5, 5], 256, 0).imbalance

    assert imbalance(2) < 1.2 < 1.3 < imbalance(0)
