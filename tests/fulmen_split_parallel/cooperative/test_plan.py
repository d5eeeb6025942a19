"""Promise: the ranks together sample, load and compute what one process would, each vertex once, at its
owner."""

from __future__ import annotations

import numpy as np
import pytest

from fulmen_split_parallel.cooperative.plan import Planner
from fulmen_split_parallel.sampling.labor import LaborSampler
from fulmen_split_parallel.sampling.mini_batch import sample_blocks
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler

FANOUTS = [5, 3, -1]


def owners(kind, graph, size):
    """Who owns what: evenly by id, at random, or one rank every training vertex and a part of the rest."""
    if kind == "aligned":
        return (np.arange(graph.num_vertices) * size // graph.num_vertices).astype(np.uint8)
    owner = np.random.default_rng(size).integers(0, size, graph.num_vertices).astype(np.uint8)
    if kind == "one rank":
        owner[graph.train_idx] = size - 1
    return owner


def plan_with(transports, graph, sampler, owner, seeds, times=1):
    planner = Planner(sampler(graph), owner, transports[0])
    return [planner.plan(seeds, FANOUTS, seed=1, epoch=2, step=3) for _ in range(times)][-1]


@pytest.mark.parametrize("kind", ["aligned", "random", "one rank"])
@pytest.mark.parametrize("sampler", [NeighbourSampler, LaborSampler])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_ranks_together_do_what_one_process_does(ranks, graph, size, sampler, kind):
    owner, seeds = owners(kind, graph, size), graph.train_idx[:37]
    plans = ranks(size, plan_with, graph, sampler, owner, seeds, 2)
    blocks = sample_blocks(sampler(graph), seeds, FANOUTS, seed=1, epoch=2, step=3)

    inputs = np.concatenate([plan.inputs for plan in plans])
    assert len(np.unique(inputs)) == len(inputs)  # disjoint, and each once
    assert sorted(inputs) == sorted(blocks[0].sources)
    for depth, block in enumerate(blocks):
        parts = [plan.layers[depth].block for plan in plans]
        assert sorted(np.concatenate([part.edge_ids for part in parts])) == sorted(block.edge_ids)
        assert sorted(np.concatenate([part.destinations for part in parts])) == sorted(block.destinations)
        for part in parts:
            named = part.sources[part.indices]
            assert (named == graph.indices[part.edge_ids]).all()
            ends = np.repeat(part.destinations, np.diff(part.indptr))
            assert (graph.indptr[ends] <= part.edge_ids).all()
            assert (part.edge_ids < graph.indptr[ends + 1]).all()
    for rank, plan in enumerate(plans):
        assert (owner[plan.inputs] == rank).all()
        assert (plan.seeds == seeds[owner[seeds] == rank]).all()
        assert plan.counts.tolist() == plans[0].counts.tolist()
    edges, loaded, received = plans[0].counts.sum(0)
    assert edges == sum(block.num_edges for block in blocks)
    assert loaded == len(blocks[0].sources)
    remote = [
        (owner[part.sources] != rank).sum() for rank, plan in enumerate(plans) for part in _blocks(plan)
    ]
    assert received == sum(remote)
    assert plans[0].imbalance == pytest.approx(size * plans[0].counts[:, 0].max() / edges)


def _blocks(plan):
    return [layer.block for layer in plan.layers]


@pytest.mark.parametrize("seeds", [37, 4, 3, 1])
def test_seeds_are_at_home_evenly(ranks, graph, seeds):
    plans = ranks(
        4, plan_with, graph, NeighbourSampler, owners("one rank", graph, 4), graph.train_idx[:seeds]
    )

    for rank, plan in enumerate(plans):
        assert plan.home_seeds.tolist() == graph.train_idx[:seeds][rank::4].tolist()


def test_ranks_that_plan_different_mini_batches_are_told_so(ranks, graph):
    def differ(transports):
        seeds = graph.train_idx[transports[0].rank :][:20]
        with pytest.raises(ConnectionError, match="different mini-batches"):
            plan_with(transports, graph, NeighbourSampler, owners("random", graph, 2), seeds)
        return True

    assert ranks(2, differ) == [True, True]


def test_owners_that_are_no_ranks_are_refused(graph):
    from fulmen_split_parallel.cooperative.transport import NoPeers

    with pytest.raises(ValueError, match="300 owners up to 1 for 300 vertices and 1 ranks"):
        Planner(NeighbourSampler(graph), owners("random", graph, 2), NoPeers())
