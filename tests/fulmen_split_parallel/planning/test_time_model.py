"""Predicted seconds are sums that can be done by hand; rates are measured in the right order of magnitude."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fulmen_split_parallel.graph.degree_corrected import DegreeCorrectedSBM
from fulmen_split_parallel.planning.link import measured_link
from fulmen_split_parallel.planning.network_shape import NetworkShape
from fulmen_split_parallel.planning.probing import measured_rates
from fulmen_split_parallel.planning.rates import Rates
from fulmen_split_parallel.planning.recommendation import fastest, recommend
from fulmen_split_parallel.planning.steps import StepWork
from fulmen_split_parallel.planning.time_model import data_parallel_seconds, split_seconds
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler

SHAPE = NetworkShape.of("sage", 2, 4, 3, 2)
# One rate at a time: all else is as good as free.
FREE = {
    **dict.fromkeys(("sample", "load", "multiply", "aggregate", "link_bandwidth"), 1e30),
    **dict.fromkeys(("layer_seconds", "link_latency"), 0.0),
}
WORK = StepWork(
    destinations=np.array([[10, 20], [3, 1]]),
    edges=np.array([[50, 40], [6, 8]]),
    rows=np.array([[30, 25], [10, 20]]),
    sent=np.array([[7, 2], [1, 4]]),
    received=np.array([[2, 7], [4, 1]]),
    inputs=np.array([30, 25]),
    remote_edges=9,
)


@pytest.mark.parametrize(
    ("rate", "value", "alone", "split"),
    [
        ("sample", 1.0, 50 + 6, 50 + 8),  # the slowest rank of all, and of each layer
        ("load", 8.0, 30, 30),  # 8 bytes a row
        ("layer_seconds", 1.0, 2, 2),
        # operations: 2 passes x 4 x D x 2 x 4 in the input's layer, 3 x 4 x D x 4 x 3 above
        ("multiply", 16.0, max(10 * 4 + 3 * 9, 20 * 4 + 1 * 9), 20 * 4 + 3 * 9),
        # bytes: 1 pass x E x 2 x 4, then 3 x E x 4 x 4
        ("aggregate", 8.0, max(50 + 6 * 6, 40 + 8 * 6), 50 + 8 * 6),
        # adding up gradients: 2 rounds; split: 2 of ids and 1 or 2 of rows a layer, 2 for what comes home
        ("link_latency", 1.0, 2, 2 + 2 + 1 + 2 + 2 + 2),
        # gradients 4 x (2 x 2 x 4 + 2 x 4 x 3) = 160 bytes; ids 8 bytes; rows 2 and 4 wide, 4 bytes a number
        ("link_bandwidth", 1.0, 160, 160 + 7 * 8 + 7 * 8 + 4 * 8 + 2 * 4 * 16),
    ],
)
def test_each_rate_counts_as_the_model_says(rate, value, alone, split):
    rates = Rates(**{**FREE, rate: value})

    assert data_parallel_seconds(WORK, SHAPE, rates, 8) == pytest.approx(alone)
    assert split_seconds(WORK, SHAPE, rates, 8) == pytest.approx(split)


def test_one_rank_is_as_fast_either_way():
    work = StepWork(
        **{name: value[..., :1] if isinstance(value, np.ndarray) else 0 for name, value in vars(WORK).items()}
    )
    rates = Rates(2.0, 3.0, 5.0, 7.0, 0.1, 11.0, 13.0)

    assert data_parallel_seconds(work, SHAPE, rates, 8) == pytest.approx(split_seconds(work, SHAPE, rates, 8))
    assert StepWork.from_plain(work.plain()).plain() == work.plain()


def test_attention_sends_what_it_projected_and_heads_are_side_by_side():
    shape = NetworkShape.of("gat", 10, 8, 3, 2, heads=4)

    assert [shape.sent_width(layer) for layer in (0, 1)] == [8, 3 * 4]
    assert shape.operations(0, np.array([1]), np.array([7])).tolist() == [2 * 2 * 7 * 10 * 8]
    assert shape.parameter_bytes() == 4 * (10 * 8 + 8 * 12)


def _row(parts, partitioner, alone, split, sampler="neighbour"):
    return {
        "sampler": sampler,
        "parts": parts,
        "partitioner": partitioner,
        "dp_seconds": alone,
        "split_seconds": split,
    }


def test_the_simpler_thing_is_recommended_where_it_is_as_fast():
    rows = [
        _row(2, "hash", 10.0, 11.0),
        _row(2, "restreaming", 10.0, 8.0),
        _row(4, "restreaming", 6.0, 5.9),  # within what predictions are good for
        _row(8, "restreaming", 5.9, 5.85),
        _row(8, "restreaming", 1.0, 0.1, "labor"),  # another sampler's
    ]
    found = recommend(rows, "neighbour")

    assert [(one.parts, one.way, one.partitioner) for one in found] == [
        (2, "split parallel", "restreaming"),
        (4, "data parallel", "restreaming"),
        (8, "data parallel", "restreaming"),
    ]
    assert found[0].gain == pytest.approx(1.25)
    assert fastest(rows, "neighbour").parts == 4  # 8 ranks gain 2 percent on 4


def test_rates_are_measured_and_given_ones_are_kept():
    graph = DegreeCorrectedSBM(num_vertices=5000, num_features=32).make()
    given = {"link_latency": 1e-6, "link_bandwidth": 5e10}
    shape = NetworkShape.of("sage", 32, 32, 47, 2)
    state = torch.get_rng_state(), torch.get_num_threads()

    rates = measured_rates(NeighbourSampler(graph), shape, [5, 5], 256, 0, torch.device("cpu"), given)

    assert (rates.link_latency, rates.link_bandwidth) == (1e-6, 5e10)
    assert 1e4 < rates.sample < 1e10
    assert 1e6 < rates.load < 1e12
    assert rates.layer_seconds < 1
    assert torch.equal(torch.get_rng_state(), state[0])
    assert torch.get_num_threads() == state[1]


def test_a_link_to_another_process_is_measured():
    latency, bandwidth = measured_link()

    assert 0 <= latency < 1
    assert 1e6 < bandwidth < 1e12
