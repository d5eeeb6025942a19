"""Passes that begin in the middle give what whole passes give, whatever the model's code does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fulmen_zero_space_ecc.campaign.replay import Replayer


class Chain(nn.Sequential):
    """In-place activations write into what the layer before them returned."""

    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 5),
        )  # fmt: skip


class Block(nn.Module):
    """A residual that is added in place, and functions between modules."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(4, 4, 3, padding=1)
        self.two = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        out = self.two(torch.relu(self.one(x)))
        out += x
        return torch.relu_(out)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.blocks = nn.Sequential(Block(), Block())
        self.side = nn.Linear(8, 4)
        self.head = nn.Linear(4 * 64, 5)

    def forward(self, x):
        early = self.side(x.mean(2))  # computed first, read last
        x = self.blocks(self.stem(x))
        return self.head(x.flatten(1)) + early.sum() + early.mean()


class Shared(nn.Module):
    """One layer called three times, a list of outputs, keyword arguments."""

    def __init__(self):
        super().__init__()
        self.turn = nn.Linear(64, 64)
        self.mid = nn.Linear(64, 64)
        self.head = nn.Linear(192, 5)

    def forward(self, x):
        x = self.turn(input=x.flatten(1))
        kept = [x]
        for _ in range(2):
            x = self.turn(torch.tanh(self.mid(x)))
            kept.append(x)
        return self.head(torch.cat(kept, 1))


class Careless(nn.Module):
    """Uses what a module does to its input, not what it returns."""

    def __init__(self):
        super().__init__()
        self.one = nn.Linear(64, 8)
        self.act = nn.ReLU(inplace=True)
        self.two = nn.Linear(8, 5)

    def forward(self, x):
        x = self.one(x.flatten(1))
        self.act(x)
        return self.two(x)


class Pair(nn.Module):
    """Modules that return no single tensor."""

    class Split(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(64, 4), nn.Linear(64, 4)

        def forward(self, x):
            return self.a(x), {"b": self.b(x)}

    def __init__(self):
        super().__init__()
        self.split = self.Split()
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        a, b = self.split(x.flatten(1))
        return self.head(a * b["b"])


class Early(nn.Module):
    """Returns the output of a layer that later ones follow."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(64, 5), nn.Linear(5, 5)

    def forward(self, x):
        scores = self.one(x.flatten(1))
        self.two(scores)
        return scores


MODELS = [Chain, Residual, Shared, Careless, Pair, Early]
IMAGES = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def prepared(kind):
    torch.manual_seed(1)
    model = kind().eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    layers = [name for name, module in model.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    return model, layers


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("budget", [1 << 30, 2000, 0])
def test_a_pass_from_the_middle_is_the_whole_pass(kind, budget):
    model, layers = prepared(kind)
    replayer = Replayer(model, layers)
    expected = model(IMAGES)
    with replayer.attached():
        replay = replayer.record(IMAGES, budget)
        assert torch.equal(replay.output, expected)
        for layer in [*layers, *layers]:  # twice: nothing that is kept may be used up
            weight = model.get_submodule(layer).weight
            old = weight.clone()
            weight += 0.1
            changed = replayer.run(IMAGES, replay, {layer})
            assert torch.equal(changed, replayer.run(IMAGES)), layer
            weight.copy_(old)
            assert torch.equal(replayer.run(IMAGES, replay, {layer}), expected), layer
    assert torch.equal(model(IMAGES), expected)


def counting(kind, name, calls):
    """Return a layer class that notes its calls."""

    def forward(self, x):
        calls.append(name)
        return kind.forward(self, x)

    return type(kind.__name__, (kind,), {"forward": forward})


def test_layers_before_the_change_are_not_computed():
    model, layers = prepared(Residual)
    calls = []
    for name in layers:
        layer = model.get_submodule(name)
        layer.__class__ = counting(type(layer), name, calls)
    replayer = Replayer(model, layers)
    with replayer.attached():
        replay = replayer.record(IMAGES, 1 << 30)
        calls.clear()
        replayer.run(IMAGES, replay, {"blocks.1.two"})
    assert calls == ["blocks.1.two", "head"]


def test_only_what_is_read_again_is_kept():
    model, layers = prepared(Chain)
    replayer = Replayer(model, layers)
    with replayer.attached():
        replay = replayer.record(IMAGES, 1 << 30)
    pooled, flat = 3 * 4 * 16, 3 * 64
    assert replay.bytes == 4 * (pooled + flat)
    assert len(replay.cuts) == 2


def test_a_budget_keeps_the_latest_places():
    model, layers = prepared(Chain)
    replayer = Replayer(model, layers)
    with replayer.attached():
        assert replayer.record(IMAGES, 4 * 3 * 64).cuts == [7]
        assert replayer.record(IMAGES, 4 * 3 * 64 - 1).cuts == []


def test_inputs_are_changed_also_where_a_pass_begins():
    model, layers = prepared(Chain)
    replayer = Replayer(model, layers, {"4": torch.round, "7": lambda x: x * 2})
    with replayer.attached():
        replay = replayer.record(IMAGES, 1 << 30)
        plain = replayer.run(IMAGES)
        assert torch.equal(replayer.run(IMAGES, replay, {"7"}), plain)
        assert torch.equal(replayer.run(IMAGES, replay, {"4"}), plain)
    assert not torch.equal(plain, model(IMAGES))


class Wavering(nn.Module):
    """Calls other layers when its weights are large."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.other = nn.Linear(64, 5), nn.Linear(5, 5), nn.Linear(5, 5)

    def forward(self, x):
        x = self.one(x.flatten(1))
        return self.two(x) if self.two.weight.sum() < 100 else self.other(x)


def test_a_model_that_calls_other_layers_than_before_is_refused():
    model, layers = prepared(Wavering)
    replayer = Replayer(model, layers)
    with replayer.attached():
        replay = replayer.record(IMAGES, 1 << 30)
        model.two.weight += 100
        with pytest.raises(RuntimeError, match="called 'other' where it had called 'two'"):
            replayer.run(IMAGES, replay, {"two"})
        whole = replayer.record(IMAGES, 0)
        assert torch.equal(replayer.run(IMAGES, whole, {"two"}), replayer.run(IMAGES))


def test_the_model_is_left_as_it_was_also_after_an_error():
    model, layers = prepared(Chain)
    replayer = Replayer(model, layers)
    with pytest.raises(RuntimeError), replayer.attached():
        replayer.record(torch.rand(3, 2, 8, 8), 1 << 30)
    assert all("forward" not in module.__dict__ for module in model.modules())
    with replayer.attached():
        assert torch.equal(replayer.record(IMAGES, 1 << 30).output, replayer.run(IMAGES))
