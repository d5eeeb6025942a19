"""A network as it is shipped computes the same, in fewer operations."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fulmen.costs.deployed import deployed
from fulmen.costs.measuring import check, measure
from fulmen.errors import ConfigError, UserError

NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def used(network):
    """Give normalisations statistics that no fold can forget unseen."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for value in (*module.parameters(), *module.buffers()):
                if value.is_floating_point():
                    nn.init.uniform_(value, 0.5, 1.5)
    return network.double().eval()


def operations(network):
    return [str(node.target) for node in network.graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_normalisations_are_folded_and_the_result_is_the_same(dimensions, bias):
    convolution = CONVS[dimensions](4, 8, 3, stride=2, groups=2, bias=bias)
    network = used(nn.Sequential(convolution, NORMS[dimensions](8), nn.ReLU(), CONVS[dimensions](8, 2, 1)))
    inputs = torch.randn(3, 4, *[7] * dimensions, dtype=torch.float64)

    shipped = deployed(network, inputs)

    torch.testing.assert_close(shipped(inputs), network(inputs), rtol=1e-12, atol=1e-12)
    assert not any("batch_norm" in name for name in operations(shipped))
    assert len(operations(shipped)) == 3


class Two(nn.Module):
    """A normalisation whose input somebody else needs too, and one that follows no convolution."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.last = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, images):
        found = self.conv(images)
        return self.last(torch.relu(self.norm(found) + found))


def test_what_cannot_be_folded_stays():
    network, inputs = used(Two()), torch.randn(2, 3, 5, 5, dtype=torch.float64)

    shipped = deployed(network, inputs)

    torch.testing.assert_close(shipped(inputs), network(inputs), rtol=1e-12, atol=1e-12)
    assert sum("batch_norm" in name for name in operations(shipped)) == 2


class Counting(nn.Module):
    """Counts how often Python runs its forward: what was exported runs without it."""

    def __init__(self):
        super().__init__()
        self.calls = [0]

    def __deepcopy__(self, memo):
        copied = Counting()
        copied.calls = self.calls
        return copied

    def forward(self, inputs):
        self.calls[0] += 1
        return inputs + 1


def test_latency_is_that_of_the_networks_as_deployed():
    network, reference = Counting(), Counting()
    calls = []
    for deployed_ in (False, True):
        network.calls[0] = reference.calls[0] = 0
        options = check("latency", {"deployed": deployed_, "most_seconds": 0.1})
        rounds = measure("latency", options, network, torch.zeros(1, 3), reference)["rounds"]
        assert rounds >= 11
        calls.append((network.calls[0], reference.calls[0]))

    assert min(calls[0]) >= 2 * 11  # each is called twice a round, at least
    assert max(calls[1]) <= 5  # to export it


class Stubborn(nn.Module):
    def forward(self, inputs):
        return inputs if float(inputs.sum()) > 0 else -inputs


def test_a_network_that_cannot_be_exported_is_refused_by_name():
    """A candidate alone is invalid; as the reference it ends the search, since so it is for all."""
    options = check("latency", {"deployed": True})
    with pytest.raises(UserError, match=r"Stubborn cannot be exported .*set deployed to false") as found:
        measure("latency", options, Stubborn(), torch.zeros(2, 3), nn.Identity())
    assert not isinstance(found.value, ConfigError)
    assert "\n" not in str(found.value)
    with pytest.raises(ConfigError, match=r"the config's own network: .*Stubborn cannot be exported"):
        measure("latency", options, nn.Identity(), torch.zeros(2, 3), Stubborn())


def test_deployed_is_true_or_false():
    with pytest.raises(ConfigError, match="deployed: expected true or false, got 'yes please'"):
        check("latency", {"deployed": "yes please"})
