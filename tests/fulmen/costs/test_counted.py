"""Counted costs against sums by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fulmen.costs import counted
from fulmen.costs.measuring import check, measure
from fulmen.errors import ConfigError


def network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)
    ).eval()


def test_flops_are_two_per_multiplication():
    by_hand = 2 * (36 * 8 * 3 * 9) + 2 * (8 * 36 * 5)

    assert counted.flops(network(), torch.zeros(1, 3, 8, 8)) == by_hand
    assert counted.flops(network(), torch.zeros(7, 3, 8, 8)) == 7 * by_hand


def test_parameters_are_those_of_torch():
    assert counted.parameters(network()) == 8 * 27 + 16 + 8 * 36 * 5 + 5


def test_peak_memory_is_that_of_the_widest_moment():
    """Inputs and weights live throughout; an activation dies when the next is made of it."""
    chain = nn.Sequential(nn.Linear(10, 1000, bias=False), nn.ReLU(), nn.Linear(1000, 10, bias=False)).eval()
    inputs = torch.zeros(4, 10)
    fixed = 4 * (10 * 1000 + 1000 * 10) + 4 * 4 * 10
    # The widest moment holds the output of the first layer and that of the ReLU.
    assert counted.peak_bytes(chain, inputs) == fixed + 2 * 4 * 4 * 1000
    in_place = nn.Sequential(chain[0], nn.ReLU(inplace=True), chain[2]).eval()
    # Without a copy: its input, and the small output.
    assert counted.peak_bytes(in_place, inputs) == fixed + 4 * 4 * 1000 + 4 * 4 * 10


def test_measuring_leaves_the_network_as_it_is():
    one = network().train()
    before = {name: value.clone() for name, value in one.state_dict().items()}
    for cost in ("latency", "flops", "parameters", "peak_memory"):
        options = check(cost, {"most_seconds": 0.05} if cost == "latency" else {})
        found = measure(cost, options, one, torch.zeros(5, 3, 8, 8), network())
        assert found[""] > 0

    assert one.training
    assert all(torch.equal(value, one.state_dict()[name]) for name, value in before.items())


def test_an_unknown_cost_or_option_is_refused():
    with pytest.raises(ConfigError, match="no cost is called 'flps'"):
        check("flps", {})
    with pytest.raises(ConfigError, match="no option 'size'; it has batch_size"):
        check("flops", {"size": 2})
