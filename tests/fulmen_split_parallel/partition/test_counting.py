"""What pre-sampling and the shares of ranks count is what a ledger kept by hand holds."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from fulmen_split_parallel.graph.degree_corrected import DegreeCorrectedSBM
from fulmen_split_parallel.partition.presampling import FIRST_EPOCH, presample
from fulmen_split_parallel.partition.shares import shares
from fulmen_split_parallel.sampling.labor import LaborSampler
from fulmen_split_parallel.sampling.mini_batch import sample_blocks
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler
from fulmen_split_parallel.sampling.seeds import seed_batches

FANOUTS = [5, 3, 4]


@pytest.fixture(scope="module")
def graph():
    return DegreeCorrectedSBM(num_vertices=1500, communities=10, num_features=1).make()


def test_presampling_counts_what_the_sampler_draws(graph):
    sampler = NeighbourSampler(graph)
    visits, in_edges, inputs, edges = Counter(), Counter(), Counter(), Counter()
    for epoch in (FIRST_EPOCH, FIRST_EPOCH + 1):
        for step, seeds in enumerate(seed_batches(graph.train_idx, 64, seed=3, epoch=epoch)):
            blocks = sample_blocks(sampler, seeds, FANOUTS, seed=3, epoch=epoch, step=step)
            for block in blocks:
                visits.update(block.destinations.tolist())
                edges.update(block.edge_ids.tolist())
                for d, vertex in enumerate(block.destinations.tolist()):
                    in_edges[vertex] += int(block.indptr[d + 1] - block.indptr[d])
            inputs.update(blocks[0].sources.tolist())

    found = presample(sampler, FANOUTS, 64, 2, 3)

    for counter, array in (
        (visits, found.visits),
        (in_edges, found.in_edges),
        (inputs, found.inputs),
        (edges, found.edges),
    ):
        assert {key: int(array[key]) for key in np.flatnonzero(array).tolist()} == dict(counter)
    assert found.batches == 2 * -(-len(graph.train_idx) // 64)
    assert (found.work == found.visits + found.in_edges).all()


@pytest.mark.parametrize("make", [NeighbourSampler, LaborSampler])
@pytest.mark.parametrize("parts", [1, 2, 5])
def test_shares_are_those_of_ranks_that_sample_for_themselves(graph, make, parts):
    """Each rank samples its own frontier and asks the others for what it lacks, layer by layer."""
    owner = np.random.default_rng(0).integers(0, parts, graph.num_vertices).astype(np.uint8)
    seeds = next(seed_batches(graph.train_idx, 100, seed=1, epoch=0))
    sampler = make(graph)
    found = shares(sample_blocks(sampler, seeds, FANOUTS, seed=1, epoch=0, step=0), owner, parts)

    frontiers = [seeds[owner[seeds] == rank] for rank in range(parts)]
    for level, fanout in enumerate(FANOUTS):
        layer = len(FANOUTS) - 1 - level
        needed = []
        for rank, frontier in enumerate(frontiers):
            block = sampler.sample(frontier, fanout, seed=1, epoch=0, step=0, layer=level)
            needed.append(block.sources)
            whose = owner[block.sources[block.indices]]
            assert found.destinations[layer, rank] == len(frontier)
            assert found.edges[layer, rank] == block.num_edges
            assert found.sources[layer, rank] == len(block.sources)
            assert found.remote_edges[layer, rank] == (whose != rank).sum()
            pulled = np.bincount(owner[block.sources], minlength=parts)
            pulled[rank] = 0
            assert (found.pulled[layer, :, rank] == pulled).all()
        union = np.unique(np.concatenate(needed))
        frontiers = [union[owner[union] == rank] for rank in range(parts)]
    assert found.inputs.tolist() == [len(frontier) for frontier in frontiers]


def test_one_part_has_no_cut_and_all_seeds_on_one_rank_are_imbalanced(graph):
    seeds = next(seed_batches(graph.train_idx, 100, seed=1, epoch=0))
    blocks = sample_blocks(NeighbourSampler(graph), seeds, FANOUTS, seed=1, epoch=0, step=0)
    alone = shares(blocks, np.zeros(graph.num_vertices, np.uint8), 1)
    idle = shares(blocks, np.zeros(graph.num_vertices, np.uint8), 4)

    assert (alone.cut, alone.imbalance, alone.shuffled_rows) == (0, 1, 0)
    assert (idle.cut, idle.imbalance, idle.shuffled_rows) == (0, 4, 0)
