"""The data-free mode: the best scale inside the box, against a brute-force search."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from wot_toys import LAYOUTS, ToyNet

from fulmen_zero_space_ecc.data_free import (
    best_scale,
    compare,
    max_scale,
    prepare_,
    quantize_in_box,
    quantize_model,
    sqnr,
)
from fulmen_zero_space_ecc.placement import placement


def heavy_tailed(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) ** 3


def held_mask(shape):
    mask = torch.ones(torch.Size(shape).numel(), dtype=torch.bool)
    mask[7::8] = False
    return mask.view(shape)


def squared_error(weight, scale, held):
    return float((weight - quantize_in_box(weight, scale, held).dequantized()).square().sum())


@pytest.mark.parametrize("power", [1, 3], ids=["gaussian", "heavy-tailed"])
@pytest.mark.parametrize("seed", range(4))
def test_no_scale_of_a_fine_grid_is_noticeably_better(seed, power):
    weight = torch.randn(16, 18, generator=torch.Generator().manual_seed(seed)) ** power
    held = held_mask(weight.shape)
    found = squared_error(weight, best_scale(weight, held, "layer"), held)

    widest = float((weight.abs() / torch.where(held, 63.0, 127.0)).max())
    grid = torch.linspace(0.02, 1.05, 4000) * widest
    best = min(squared_error(weight, scale, held) for scale in grid)

    assert found <= 1.02 * best


def test_channels_are_searched_each_on_its_own():
    weight, held = heavy_tailed(6, 40), held_mask((6, 40))
    together = best_scale(weight, held, "channel")
    apart = [best_scale(weight[k : k + 1], held[k : k + 1], "layer") for k in range(6)]

    assert together.shape == (6, 1)
    assert torch.equal(together.flatten(), torch.stack(apart))
    along_1 = best_scale(weight.T.contiguous(), held.T, "channel", axis=1)
    assert along_1.shape == (1, 6)
    torch.testing.assert_close(along_1.flatten(), together.flatten())


def test_each_choice_can_only_help():
    weight, held = heavy_tailed(16, 3, 3, 3), held_mask((16, 3, 3, 3))
    table = compare(weight, held)

    assert table["box channel"] > table["box layer"] > table["clip layer"]
    assert table["int8 channel"] > table["int8 layer"]
    assert table["int8 channel"] > table["box channel"]


def test_the_ratio_is_what_it_says():
    weight = torch.tensor([3.0, 4.0])
    quantized = quantize_in_box(weight, torch.tensor(1.0), None)
    assert sqnr(weight, quantized) == float("inf")
    noisy = quantize_in_box(weight + 0.25, torch.tensor(1.0), None)  # noise 2 * 0.0625
    expected = 10 * torch.log10(torch.tensor((3.25**2 + 4.25**2) / 0.125))
    assert sqnr(weight + 0.25, noisy) == pytest.approx(float(expected))


@pytest.mark.parametrize("granularity", ["layer", "channel"])
def test_zeros_and_tiny_weights_have_a_scale(granularity):
    for weight in (torch.zeros(4, 9), torch.full((4, 9), 1e-30), heavy_tailed(4, 9) * 1e-12):
        scale = best_scale(weight, held_mask(weight.shape), granularity)
        assert (scale > 0).all()
        assert torch.isfinite(scale).all()


@pytest.mark.parametrize("granularity", ["layer", "channel"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_whole_model_ends_in_the_box(layout, granularity):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 5, 3), nn.ConvTranspose2d(4, 6, 3, groups=2), nn.Embedding(9, 7))
    placed = placement(model, layout)
    before = copy.deepcopy(model.state_dict())

    quantized = quantize_model(model, placed, granularity)

    assert list(quantized) == [segment.name for segment in placed.segments]
    for segment in placed.segments:
        integers = quantized[segment.name].integers
        assert (integers.dtype, tuple(integers.shape)) == (torch.int8, segment.shape)
        assert integers.is_contiguous()
        held = integers[segment.held_mask()]
        assert held.min() >= -64
        assert held.max() <= 63
        assert integers.min() >= -127
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("granularity", ["layer", "channel"])
def test_a_prepared_model_is_folded_on_its_grid_and_computes_nearly_the_same(granularity):
    torch.manual_seed(0)
    model = ToyNet()
    images = torch.randn(64, 1, 8, 8)
    for _ in range(20):
        model(images)  # so that there are statistics to fold
    model.eval()
    before = model(images).detach()
    placed = placement(model)

    frozen = prepare_(model, placed, granularity)

    assert frozen["folded"] == {"stem.0": "stem.1", "depthwise": "norm"}
    for segment in placed.segments:
        weight, scale = (
            model.get_parameter(segment.name).detach(),
            torch.tensor(frozen["scales"][segment.name]),
        )
        integers = torch.round(weight / scale)
        assert torch.equal(integers * scale, weight)
        assert integers[segment.held_mask()].min() >= -64
        assert integers[segment.held_mask()].max() <= 63
    assert (model(images) - before).norm() < 0.05 * before.norm()
    again = prepare_(model, placed, granularity)
    assert again["folded"] == frozen["folded"]


def test_weights_that_are_not_finite_are_named():
    model = nn.Linear(8, 8)
    model.weight.data[0, 0] = torch.inf
    with pytest.raises(ValueError, match="weight: some weights are not finite"):
        quantize_model(model, placement(model))


def test_plain_int8_puts_the_largest_weight_on_127():
    weight = heavy_tailed(5, 7)
    assert quantize_in_box(weight, max_scale(weight, "layer"), None).integers.abs().max() == 127
    per_channel = quantize_in_box(weight, max_scale(weight, "channel"), None).integers
    assert (per_channel.abs().amax(1) == 127).all()
