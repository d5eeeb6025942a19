"""Folding keeps the function, the names and the shapes; pairs are found where folding is right."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from wot_toys import ToyNet

from fulmen_zero_space_ecc.weights.folding import fold_, forget_moments_, has_statistics, pin_
from fulmen_zero_space_ecc.weights.pairing import Pair, find_pairs, unpaired


def trained(norm, seed=0):
    """A normalisation with statistics and parameters that are not the identity."""
    generator = torch.Generator().manual_seed(seed)
    for tensor, low in [(norm.weight, -1), (norm.bias, -1), (norm.running_mean, -1), (norm.running_var, 0.2)]:
        tensor.data = torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype) * 2 + low
    return norm.eval()


CONVOLUTIONS = [
    (nn.Conv1d(4, 6, 3, groups=2), nn.BatchNorm1d(6), (2, 4, 9)),
    (nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), (2, 3, 8, 8)),
    (nn.Conv2d(4, 4, 3, groups=4), nn.BatchNorm2d(4), (2, 4, 8, 8)),
    (nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2), (1, 1, 5, 5, 5)),
    (nn.ConvTranspose2d(4, 6, 3), nn.BatchNorm2d(6), (2, 4, 5, 5)),
    (nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False), nn.BatchNorm2d(6), (2, 4, 5, 5)),
]


@pytest.mark.parametrize(
    ("convolution", "norm", "shape"), CONVOLUTIONS, ids=lambda value: type(value).__name__
)
def test_folding_keeps_the_function(convolution, norm, shape):
    convolution, norm = convolution.double(), trained(norm.double())
    x = torch.randn(shape, dtype=torch.double)
    before, keys = norm(convolution(x)), [*convolution.state_dict(), *norm.state_dict()]

    fold_(convolution, norm)

    assert torch.allclose(norm(convolution(x)), before, rtol=1e-10)
    assert [*convolution.state_dict(), *norm.state_dict()] == keys
    identity = norm(x_like := torch.randn_like(before)) - (norm.bias.view(-1, *[1] * (before.dim() - 2)))
    assert torch.allclose(identity, x_like, rtol=1e-12)


@pytest.mark.parametrize("bias", [False, True])
def test_folding_again_changes_nothing(bias):
    convolution, norm = nn.Conv2d(3, 6, 3, bias=bias), trained(nn.BatchNorm2d(6))
    fold_(convolution, norm)
    before = [tensor.clone() for tensor in (*convolution.parameters(), *norm.parameters(), *norm.buffers())]

    fold_(convolution, norm)

    after = [*convolution.parameters(), *norm.parameters(), *norm.buffers()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_identity_survives_a_reset_of_the_statistics():
    convolution, norm = nn.Conv2d(3, 6, 3), trained(nn.BatchNorm2d(6))
    fold_(convolution, norm)
    x = torch.randn(2, 3, 8, 8)
    before = norm(convolution(x))

    norm.reset_running_stats()

    assert torch.equal(norm(convolution(x)), before)


@pytest.mark.parametrize("bias", [False, True])
def test_pinning_undoes_what_an_optimiser_did_but_keeps_the_bias_that_learns(bias):
    convolution, norm = nn.Conv2d(3, 6, 3, bias=bias), trained(nn.BatchNorm2d(6))
    fold_(convolution, norm)
    weight = norm.weight.clone()
    norm.weight.data += 1
    norm.bias.data += 1
    learnt = norm.bias.clone()

    pin_(convolution, norm)

    assert torch.equal(norm.weight, weight)
    assert torch.equal(norm.bias, torch.zeros(6) if bias else learnt)


def test_has_statistics_tells_a_fresh_normalisation_from_one_that_saw_data():
    norm = nn.BatchNorm2d(3)
    assert not has_statistics(norm)
    norm(torch.randn(4, 3, 2, 2))
    assert has_statistics(norm)


@pytest.mark.parametrize(
    "make", [torch.optim.Adam, torch.optim.Adagrad, lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)]
)
def test_an_optimiser_that_forgot_steps_like_a_fresh_one(make):
    weight, fresh = nn.Parameter(torch.tensor([3.0])), nn.Parameter(torch.tensor([3.0]))
    optimizer, reference = make([weight]), make([fresh])
    weight.grad = torch.tensor([100.0])
    optimizer.step()
    weight.data.fill_(3.0)

    forget_moments_(optimizer, [weight])
    for parameter, stepper in ((weight, optimizer), (fresh, reference)):
        parameter.grad = torch.tensor([0.5])
        stepper.step()

    assert torch.equal(weight, fresh)


def test_pairs_of_a_plain_network_are_found_in_order():
    assert find_pairs(ToyNet()) == [Pair("stem.0", "stem.1"), Pair("depthwise", "norm")]


class Residual(nn.Module):
    """The output of ``conv`` goes to its normalisation and past it."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)

    def forward(self, x):
        y = self.conv(x)
        return self.norm(y) + y


class PreActivation(Residual):
    def forward(self, x):
        return self.conv(self.norm(x).relu())


class CalledTwice(Residual):
    def forward(self, x):
        return self.norm(self.conv(self.norm(self.conv(x))))


class Untraceable(nn.Module):
    """Its own code branches on data; the block in it does not."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
        self.conv, self.norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)

    def forward(self, x):
        return self.norm(self.conv(self.block(x))) if x.sum() > 0 else x


class CustomConv(nn.Conv2d):
    """Standardises its weights: a factor folded into them would be lost."""

    def forward(self, x):
        return self._conv_forward(x, self.weight / self.weight.std(), self.bias)


class NotCalled(nn.Module):
    """Its forward does not reach ``other``, which training uses on its own."""

    def __init__(self):
        super().__init__()
        self.net, self.other = ToyNet(), ToyNet()

    def forward(self, x):
        return self.net(x)


def tied():
    first, second = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)
    second.weight = first.weight
    return nn.Sequential(first, nn.BatchNorm2d(1), second, nn.BatchNorm2d(1))


def custom_convolution():
    return nn.Sequential(CustomConv(1, 1, 1), nn.BatchNorm2d(1))


def without_affine():
    return nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, affine=False))


def without_statistics():
    return nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, track_running_stats=False))


@pytest.mark.parametrize(
    "make", [Residual, PreActivation, CalledTwice, tied, without_affine, without_statistics]
)
def test_where_folding_could_change_the_function_there_is_no_pair(make):
    model = make()
    assert find_pairs(model) == []
    assert unpaired(model, []) == [name for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]


def test_what_cannot_be_traced_is_left_but_its_children_are_tried():
    model = Untraceable()
    pairs = find_pairs(model)
    assert pairs == [Pair("block.0", "block.1")]
    assert unpaired(model, pairs) == ["norm"]


def test_what_forward_does_not_reach_is_traced_on_its_own():
    names = [pair.convolution for pair in find_pairs(NotCalled())]
    assert names == ["net.stem.0", "net.depthwise", "other.stem.0", "other.depthwise"]


class Counting(ToyNet):
    """Its forward has side effects: a counter, a random number."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        torch.rand(3)
        return super().forward(x)


def test_tracing_leaves_the_model_and_the_random_state_alone():
    model = Counting()
    state = torch.get_rng_state()

    assert len(find_pairs(model)) == 2

    assert model.calls == 0
    assert torch.equal(torch.get_rng_state(), state)
