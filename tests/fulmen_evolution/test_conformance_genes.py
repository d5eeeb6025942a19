"""Every gene of fulmen_evolution passes its suite; genes that break one promise each do not."""

from __future__ import annotations

import inspect
import time

import numpy as np
import pytest
import torch
from torch import nn

from fulmen_evolution.genes import Cost, Gene
from fulmen_evolution.layers import Dropout
from fulmen_evolution.testing import GeneConformance


class TestConvolution(GeneConformance):
    component = "evolution.convolution"


class TestSeparable(GeneConformance):
    component = "evolution.separable"


class TestPooling(GeneConformance):
    component = "evolution.pooling"


class TestNormalisation(GeneConformance):
    component = "evolution.normalisation"


class TestDropout(GeneConformance):
    component = "evolution.dropout"


class TestActivation(GeneConformance):
    component = "evolution.activation"


class TestResidual(GeneConformance):
    component = "evolution.residual"


class TestParallel(GeneConformance):
    component = "evolution.parallel"


class Fine(Gene):
    """A pointwise convolution that keeps its promises.

    Args:
        width: That it makes.
    """

    ranges = {"width": (2, 4, 8)}

    def __init__(self, width: int = 4) -> None:
        self.width = width

    def build(self, shape):
        return nn.Conv2d(shape[0], self.width, 1)

    def shape_after(self, shape):
        return self.width, *shape[1:]


PLUGIN = f"""
@fulmen.hookimpl
def fulmen_components():
    return [fulmen.Component(kind="gene", name="fine", target="{__name__}:Fine", summary="Of a stranger.")]
"""


class TestStranger(GeneConformance):
    """A gene of another distribution's, by its name."""

    component = "stranger.fine"
    init_args = {"width": 8}

    @pytest.fixture(autouse=True)
    def _plugin(self, make_plugin):
        make_plugin("stranger", PLUGIN)


class Pairs(Fine):
    """Its option becomes a list in YAML."""

    ranges = {"width": ((2, 2), (4, 4))}

    def __init__(self, width: tuple[int, int] = (2, 2)) -> None:
        self.width = width


class Mistyped(Fine):
    """Search sets what no config may."""

    ranges = {"width": (2, "wide")}


class Global(Fine):
    """Draws from the global stream."""

    @classmethod
    def sample(cls, generator, limits=None):
        return cls(int(np.random.default_rng().integers(10**6)))


class Wild(Fine):
    """Mutates out of its range."""

    def mutate(self, generator, limits=None):
        return type(self)(self.width + 1)


class Changes(Fine):
    """Mutates in place."""

    def mutate(self, generator, limits=None):
        self.width = 6 - self.width
        return self


class Unlimited(Fine):
    """Does not mind a structure's limits."""

    @classmethod
    def sample(cls, generator, limits=None):
        return super().sample(generator)


class Creeps(Fine):
    """Is never done with repairs."""

    def repair(self, shape):
        return type(self)(self.width + 1)


class Becomes(Fine):
    """Is repaired into another gene."""

    def repair(self, shape):
        return Dropout()


class Fails(Fine):
    """Cannot be built where it says that it stands."""

    def build(self, shape):
        return nn.Conv2d(shape[0] + 1, self.width, 1)


class Liar(Fine):
    """States a shape that it does not make."""

    def shape_after(self, shape):
        return self.width + 1, *shape[1:]


class Cuts(Fine):
    """Passes no gradient on."""

    def build(self, shape):
        return nn.Sequential(Cut(), super().build(shape))


class Cut(nn.Module):
    def forward(self, images):
        return images.detach()


class Cheap(Fine):
    """States that it costs nothing."""

    def cost(self, shape):
        return Cost(0, 0)


class Looks(Fine):
    """Goes another way for other pixels, which no export can follow."""

    def build(self, shape):
        return nn.Sequential(super().build(shape), Look())


class Look(nn.Module):
    def forward(self, images):
        return images if images.sum() > 0 else -images


class Unseeded(Fine):
    """Its weights come from a stream of its own."""

    def build(self, shape):
        layer = super().build(shape)
        nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(time.time_ns()))
        return layer


LAYER = nn.Conv2d(3, 4, 1)


class Shares(Fine):
    """Gives the same layer twice."""

    def build(self, shape):
        return LAYER


@pytest.mark.parametrize(
    ("gene", "promise", "said"),
    [
        (Pairs, "test_every_value_survives_yaml", "comes back as"),
        (Mistyped, "test_every_value_survives_yaml", "wide"),
        (Global, "test_a_seed_draws_the_same", "another stream"),
        (Wild, "test_mutants_stay_within_the_ranges", "not within the ranges"),
        (Changes, "test_mutants_stay_within_the_ranges", "expected a new gene"),
        (Unlimited, "test_limits_hold", "not within the ranges"),
        (Creeps, "test_repairs_stand_and_are_final", "is repaired again"),
        (Becomes, "test_repairs_stand_and_are_final", "another class"),
        (Fails, "test_repairs_stand_and_are_final", "RuntimeError"),
        (Liar, "test_its_module_has_the_shape_that_it_claims", "on the meta device"),
        (Cuts, "test_its_module_has_the_shape_that_it_claims", "passes no gradient"),
        (Cheap, "test_its_costs_are_those_counted", "are counted"),
        (Looks, "test_it_is_exported_and_loads_back", "data-dependent"),
        (Unseeded, "test_a_seed_gives_the_same_weights", "differs for the same seed"),
        (Shares, "test_a_seed_gives_the_same_weights", "share weights"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_broken_promise_is_found(gene, promise, said, tmp_path):
    with pytest.raises(BaseException, match=said):  # what pytest.fail raises is no Exception
        hold(gene, promise, tmp_path)


def hold(gene, promise, tmp_path):
    """Run one test of the suite."""

    class Suite(GeneConformance):
        component = f"{__name__}.{gene.__name__}"
        shapes = ((3, 4, 5),)
        draws = 4

    method = getattr(Suite(), promise)
    method(*[tmp_path] if "tmp_path" in inspect.signature(method).parameters else [])
