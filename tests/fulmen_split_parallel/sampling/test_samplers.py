"""What is drawn: the right edges, with the right probabilities, whoever asks."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fulmen_split_parallel.graph.errors import GraphError
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.sampling.labor import LaborSampler
from fulmen_split_parallel.sampling.mini_batch import sample_blocks
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler
from fulmen_split_parallel.sampling.relabelling import HashRelabelling, StampRelabelling, relabelling
from fulmen_split_parallel.sampling.samplers import SAMPLERS
from fulmen_split_parallel.sampling.seeds import seed_batches

both = pytest.mark.parametrize("kind", SAMPLERS)


def make_graph(degrees, seed=0, dtype=np.int32, duplicates=True):
    """A graph with these in-degrees; sources anywhere, or each once."""
    random = np.random.default_rng(seed)
    vertices = len(degrees)
    indptr = np.concatenate([[0], np.cumsum(degrees)]).astype(np.int64)
    if duplicates:
        indices = random.integers(0, vertices, indptr[-1])
    else:
        indices = np.concatenate([random.permutation(vertices)[:degree] for degree in degrees])
    nothing = np.empty(0, np.int64)
    return Graph(
        indptr,
        indices.astype(dtype),
        np.zeros((vertices, 1), np.float32),
        np.zeros(vertices, np.int64),
        *(nothing, nothing, nothing),
    )


@pytest.fixture(scope="module")
def graph():
    return make_graph(np.random.default_rng(1).integers(0, 60, 3000))


def edges_by_vertex(block):
    ends = np.repeat(block.destinations, np.diff(block.indptr))
    return {vertex: block.edge_ids[ends == vertex].tolist() for vertex in block.destinations.tolist()}


def assert_well_formed(block, graph, fanout):
    ends = np.repeat(block.destinations, np.diff(block.indptr))
    assert len(np.unique(block.sources)) == len(block.sources)
    assert len(np.unique(block.edge_ids)) == block.num_edges
    np.testing.assert_array_equal(block.sources[block.indices], graph.indices[block.edge_ids])
    assert (graph.indptr[ends] <= block.edge_ids).all()
    assert (block.edge_ids < graph.indptr[ends + 1]).all()
    if fanout == -1:
        np.testing.assert_array_equal(np.diff(block.indptr), np.diff(graph.indptr)[block.destinations])
    for name in ("sources", "indptr", "indices", "edge_ids"):
        assert getattr(block, name).dtype == np.int64
    # Sources are those that are needed, and no others.
    assert set(block.sources) == set(block.destinations) | set(graph.indices[block.edge_ids].tolist())


@both
@settings(max_examples=25, deadline=None)
@given(
    degrees=st.lists(st.integers(0, 50), min_size=1, max_size=30),
    fanout=st.sampled_from([-1, 1, 2, 7, 33, 49]),
    seed=st.integers(-(2**62), 2**62),
    wide=st.booleans(),
)
def test_a_block_of_any_graph_is_well_formed(kind, degrees, fanout, seed, wide):
    graph = make_graph(degrees, seed=len(degrees), dtype=np.int64 if wide else np.int32)
    wanted = np.random.default_rng(0).permutation(len(degrees))[: 1 + len(degrees) // 2]

    block = SAMPLERS[kind](graph).sample(wanted, fanout, seed=seed, epoch=0, step=0, layer=0)

    np.testing.assert_array_equal(block.destinations, wanted)
    assert_well_formed(block, graph, fanout)
    if kind == "neighbour" and fanout > 0:
        np.testing.assert_array_equal(np.diff(block.indptr), np.minimum(np.take(degrees, wanted), fanout))


@both
def test_a_vertex_gets_the_same_edges_whoever_asks_and_however(kind, graph):
    make, wanted = SAMPLERS[kind], np.random.default_rng(2).permutation(3000)[:400]
    one = sample_blocks(make(graph), wanted, [10, 5, -1], seed=3, epoch=1, step=4)

    for other in (make(graph, threads=2), make(graph, relabel=HashRelabelling())):
        for mine, theirs in zip(
            one, sample_blocks(other, wanted, [10, 5, -1], seed=3, epoch=1, step=4), strict=True
        ):
            for name in ("sources", "indptr", "indices", "edge_ids"):
                np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))

    whole = edges_by_vertex(one[-1])
    for ranks in (2, 4):
        parts = [
            make(graph).sample(wanted[rank::ranks], 10, seed=3, epoch=1, step=4, layer=0)
            for rank in range(ranks)
        ]
        together = {vertex: edges for part in parts for vertex, edges in edges_by_vertex(part).items()}
        assert together == whole


@both
def test_each_counter_matters(kind, graph):
    sampler, wanted = SAMPLERS[kind](graph), np.arange(200)
    first = {"seed": 0, "epoch": 0, "step": 0, "layer": 0}

    drawn = {tuple(sampler.sample(wanted, 5, **first).edge_ids)}
    drawn |= {tuple(sampler.sample(wanted, 5, **first | {name: 1}).edge_ids) for name in first}

    assert len(drawn) == 5


@pytest.mark.parametrize(("degree", "fanout"), [(40, 10), (40, 35)])  # Floyd's way, Knuth's way
def test_each_edge_and_each_pair_is_drawn_equally_often(degree, fanout):
    sampler = NeighbourSampler(make_graph([degree] * 200))
    rounds, hits, pairs = 100, np.zeros(degree), np.zeros(2)
    for step in range(rounds):
        block = sampler.sample(np.arange(200), fanout, seed=5, epoch=0, step=step, layer=0)
        chosen = np.zeros((200, degree))
        chosen.reshape(-1)[block.edge_ids] = 1
        hits += chosen.sum(0)
        pairs += (chosen[:, 0] * chosen[:, 1]).sum(), (chosen[:, 7] * chosen[:, 39]).sum()

    draws, share = rounds * 200, fanout / degree
    # Without replacement the counts vary less than multinomial ones: by (1 - share) degree / (degree - 1).
    statistic = ((hits - draws * share) ** 2 / (draws * share * (1 - share))).sum() * (degree - 1) / degree
    assert stats.chi2.sf(statistic, degree - 1) > 1e-3
    assert stats.chi2.cdf(statistic, degree - 1) > 1e-3
    both_drawn = share * (fanout - 1) / (degree - 1)
    assert (abs(pairs - draws * both_drawn) < 4 * np.sqrt(draws * both_drawn * (1 - both_drawn))).all()


def test_labor_is_unbiased_and_needs_fewer_rows():
    """Horvitz-Thompson and plain means of a value over the in-edges, against the mean over all of them."""
    graph = make_graph(np.random.default_rng(3).integers(20, 60, 400), duplicates=False)
    value, fanout, rounds = np.random.default_rng(4).normal(size=400) + 2, 8, 400
    degree = np.diff(graph.indptr)
    truth = np.add.reduceat(value[graph.indices], graph.indptr[:-1]) / degree
    weighted, plain, rows = [], [], {"labor": 0, "neighbour": 0}
    for step in range(rounds):
        block = LaborSampler(graph).sample(np.arange(400), fanout, seed=0, epoch=0, step=step, layer=0)
        ends = np.repeat(np.arange(400), np.diff(block.indptr))
        total = np.bincount(ends, value[graph.indices[block.edge_ids]], minlength=400)
        count = np.bincount(ends, minlength=400)
        weighted.append(total / fanout - truth)  # each kept with probability fanout / degree
        plain.append(np.where(count > 0, total / np.maximum(count, 1) - truth, 0))
        for kind, sampler in SAMPLERS.items():
            few = sampler(graph).sample(np.arange(20), fanout, seed=0, epoch=0, step=step, layer=0)
            rows[kind] += len(few.sources)

    for errors in (np.array(weighted), np.array(plain)):
        scores = errors.mean(0) / (errors.std(0) / np.sqrt(rounds))
        # Scores of vertices that share sources are correlated: their mean square is 1, loosely.
        assert 0.7 < (scores**2).mean() < 1.4
        assert abs(scores).max() < 5
    # With replacement of nothing but luck the two would need equally many.
    assert rows["labor"] < 0.95 * rows["neighbour"]


def test_labor_keeps_a_source_for_all_or_for_none_of_equal_destinations():
    graph = make_graph([40] * 40, duplicates=False)  # every vertex is a source of every vertex

    block = LaborSampler(graph).sample(np.arange(40), 10, seed=0, epoch=0, step=0, layer=0)

    kept = [frozenset(graph.indices[edges].tolist()) for edges in edges_by_vertex(block).values()]
    assert len(set(kept)) == 1
    assert 2 <= len(kept[0]) <= 20


def test_relabelling_by_stamps_and_by_hashing_agree_with_the_obvious():
    random = np.random.default_rng(0)
    ways = (StampRelabelling(500), HashRelabelling())
    for size in (1, 30, 500, 3):
        destinations = random.permutation(500)[: max(1, size // 2)]
        named = random.integers(0, 500, size)
        expected = list(dict.fromkeys([*destinations.tolist(), *named.tolist()]))
        for way in ways:
            sources, rows = way.relabel(destinations, named)
            assert sources.tolist() == expected
            assert rows.tolist() == [expected.index(vertex) for vertex in named.tolist()]
            # The very array that was handed out, as the layer below passes it.
            below, rows = way.relabel(sources, named[::-1].copy())
            assert below.tolist() == expected
            assert rows.tolist() == [expected.index(vertex) for vertex in named.tolist()[::-1]]


def test_very_large_graphs_are_relabelled_by_hashing():
    assert isinstance(relabelling(100_000_000), StampRelabelling)
    assert isinstance(relabelling(100_000_001), HashRelabelling)


def test_an_epoch_of_seeds_has_each_once_in_an_order_of_its_own():
    vertices = np.arange(100, 203)
    epochs = [
        [batch.tolist() for batch in seed_batches(vertices, 20, seed=seed, epoch=epoch)]
        for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0))
    ]

    assert [len(batch) for batch in epochs[0]] == [20, 20, 20, 20, 20, 3]
    assert all(sorted(chain(*batches)) == vertices.tolist() for batches in epochs)
    assert epochs[0] == epochs[1]
    assert epochs[0] != epochs[2] != epochs[3] != epochs[0]
    with pytest.raises(GraphError, match="batch_size is 0; expected 1 or more"):
        next(seed_batches(vertices, 0, seed=0, epoch=0))


@pytest.mark.parametrize("fanouts", [[5, 0], [-2]])
def test_fanouts_that_draw_nothing_are_refused(graph, fanouts):
    with pytest.raises(GraphError, match=r"fanouts .*expected one number for each layer, 1 or more, or -1"):
        sample_blocks(NeighbourSampler(graph), np.arange(3), fanouts, seed=0, epoch=0, step=0)
