"""The box: what the throttle clamps, what the hinge pulls, and the trap of a scale that follows."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from wot_toys import LAYOUTS

from fulmen_zero_space_ecc.training.hinge import outside, pull_, put_back_
from fulmen_zero_space_ecc.weights.placement import placement
from fulmen_zero_space_ecc.weights.quantization import max_abs_scale, quantize
from fulmen_zero_space_ecc.weights.throttle import count_outside, throttle_, throttled


def layers(layout, seed=0):
    """Layers at odd offsets, with heavy tails, so that many weights are large."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 1), nn.Conv2d(2, 5, 3), nn.Linear(13, 17), nn.Linear(1, 7))
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) ** 3
    return [
        (model.get_parameter(s.name), max_abs_scale(model.get_parameter(s.name)), s)
        for s in placement(model, layout).segments
    ]


def boxed_by_definition(weight, scale, segment):
    held = weight.clamp(-64 * scale, 63 * scale)
    return torch.where(segment.held_mask(), held, weight.clamp(-127 * scale, 127 * scale))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_throttle_clamps_held_weights_alone(layout, channels_last):
    for weight, scale, segment in layers(layout):
        if channels_last and weight.dim() == 4:
            weight.data = weight.data.to(memory_format=torch.channels_last)
            assert not weight.is_contiguous()
        before = weight.detach().clone()
        strides = weight.stride()

        throttle_(weight, scale, segment.free)

        assert torch.equal(weight, boxed_by_definition(before, scale, segment))
        assert weight.stride() == strides
        integers = quantize(weight, scale)
        assert not ((integers < -64) | (integers > 63))[segment.held_mask()].any()
        assert count_outside(weight, scale, segment.free) == 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_counting_agrees_with_the_mask(layout):
    total = 0
    for weight, scale, segment in layers(layout):
        integers = quantize(weight, scale)
        expected = int(((integers < -64) | (integers > 63))[segment.held_mask()].sum())
        assert count_outside(weight, scale, segment.free) == expected
        total += expected
    assert total > 0


def test_free_weights_saturate_at_127():
    weight = torch.tensor([2.0, -2.0])
    throttle_(weight, torch.tensor(0.01), slice(0, None))
    assert weight.tolist() == pytest.approx([1.27, -1.27])


def test_nan_counts_as_outside():
    weight = torch.tensor([float("nan"), 0.0])
    assert count_outside(weight, torch.tensor(1.0), slice(2, None)) == 1


@pytest.mark.parametrize("scale", [1e-3, 0.0123, 0.7, 3.3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_bounds_survive_the_rounding_of_every_precision(dtype, scale):
    weight = torch.linspace(-130 * scale, 130 * scale, 999).to(dtype)
    throttle_(weight, torch.tensor(scale), slice(999, None))
    assert count_outside(weight, torch.tensor(scale), slice(999, None)) == 0


def test_averages_of_throttled_weights_stay_in_the_box():
    scale, nothing_free = torch.tensor(0.0123), slice(1000, None)
    generator = torch.Generator().manual_seed(0)
    average = throttled(torch.randn(1000, generator=generator), scale, nothing_free)
    for _ in range(100):
        average.lerp_(throttled(torch.randn(1000, generator=generator), scale, nothing_free), 0.01)
        assert count_outside(average, scale, nothing_free) == 0


def test_a_live_scale_makes_new_large_weights_and_a_frozen_one_none():
    """The trap: throttle, measure the scale again, and weights that were never large now are."""
    weight = torch.randn(8000, generator=torch.Generator().manual_seed(0))
    nothing_free = slice(8000, None)
    frozen = max_abs_scale(weight)
    throttle_(weight, frozen, nothing_free)

    live = max_abs_scale(weight)

    assert live < 0.51 * frozen
    assert count_outside(weight, frozen, nothing_free) == 0
    assert count_outside(weight, live, nothing_free) > 100


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_hinge_steps_down_the_gradient_of_its_penalty(layout):
    for weight, scale, segment in layers(layout):
        box = boxed_by_definition(weight.detach(), scale, segment)
        (gradient,) = torch.autograd.grad(0.5 * (weight - box).square().sum(), weight)
        expected = weight.detach() - 0.3 * gradient

        pull_(weight, scale, segment.free, 0.3)

        assert torch.allclose(weight, expected)


def test_the_hinge_comes_near_the_box_and_at_full_strength_is_the_throttle():
    for parameter, scale, segment in layers("paper"):
        weight = parameter.detach()
        box = boxed_by_definition(weight, scale, segment)
        first = (weight - box).abs().max().item()

        for _ in range(10):
            pull_(weight, scale, segment.free, 0.2)

        assert (weight - box).abs().max().item() == pytest.approx(first * 0.8**10, rel=1e-3)
        pull_(weight, scale, segment.free, 1.0)
        assert torch.allclose(weight, box)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_throttle_can_be_undone_bit_for_bit(layout):
    for weight, scale, segment in layers(layout):
        before = weight.detach().clone()
        found = outside(weight, scale, segment.free)

        throttle_(weight, scale, segment.free)
        put_back_(weight, *found)

        assert torch.equal(weight, before)
