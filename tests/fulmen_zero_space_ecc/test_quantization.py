"""Fake quantisation: the paper's formula forward, straight through backward."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fulmen_zero_space_ecc.training.fake_quantized import FakeQuantizedLayer
from fulmen_zero_space_ecc.weights.quantization import (
    ActivationRanges,
    fake_quantize_activation,
    fake_quantize_weight,
    max_abs_scale,
    quantize,
)


def test_weights_take_the_papers_formula():
    weight = torch.randn(50, 7, generator=torch.Generator().manual_seed(0))
    scale = max_abs_scale(weight)

    integers = quantize(weight, scale)

    w = weight.double().numpy()
    np.testing.assert_array_equal(integers, np.round(w * 127 / np.abs(w).max()))
    assert integers.abs().max() == 127
    assert torch.equal(fake_quantize_weight(weight, scale), integers * scale)


def test_the_gradient_of_weights_passes_straight_through_even_beyond_the_range():
    weight = torch.tensor([0.3, -2.0, 0.004], requires_grad=True)

    quantized = fake_quantize_weight(weight, torch.tensor(0.01))

    assert torch.allclose(quantized, torch.tensor([0.3, -1.27, 0.0]))
    (quantized * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert weight.grad.tolist() == [1, 2, 3]


def test_the_gradient_of_activations_stops_where_they_saturate():
    x = torch.tensor([0.5, -3.0, 1.0], requires_grad=True)

    quantized = fake_quantize_activation(x, torch.tensor(1.27))

    assert torch.allclose(quantized, torch.tensor([0.5, -1.27, 1.0]))
    quantized.sum().backward()
    assert x.grad.tolist() == [1, 0, 1]


def test_zero_activations_stay_zero():
    assert fake_quantize_activation(torch.zeros(3), torch.tensor(0.0)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_the_dtype_is_kept_and_rounding_happens_in_at_least_single_precision(dtype):
    integers = torch.arange(-127, 128)
    weight = (integers * 0.03125).to(dtype)

    assert torch.equal(
        quantize(weight, torch.tensor(0.03125)), integers.to(quantize(weight, torch.tensor(1.0)).dtype)
    )
    assert fake_quantize_weight(weight, torch.tensor(0.03125)).dtype == dtype


def test_ranges_are_a_mean_at_first_and_a_moving_average_later():
    ranges = ActivationRanges(2, decay=0.75, device=torch.device("cpu"))
    largest = [3.0, 5.0, 1.0, 7.0, 2.0, 8.0]

    for value in largest:
        ranges.update(torch.tensor([value, 0.0]))

    expected = np.mean(largest[:4])
    for value in largest[4:]:
        expected = 0.75 * expected + 0.25 * value
    assert ranges.largest[0] == pytest.approx(expected)
    assert ranges.largest[1] == 0  # never used
    assert ranges.updates.tolist() == [6, 0]


def test_a_forward_pass_notes_what_it_sees_only_in_training_and_moves_nothing():
    ranges = ActivationRanges(1, decay=0.9, device=torch.device("cpu"))

    ranges.quantize(0, torch.tensor([5.0]), observe=False)
    assert ranges.seen.tolist() == [0]
    ranges.quantize(0, torch.tensor([-4.0]), observe=True)
    ranges.quantize(0, torch.tensor([2.0]), observe=True)

    assert ranges.seen.tolist() == [4]
    assert ranges.largest.tolist() == [0]


def hooked(layer, **options):
    ranges = ActivationRanges(1, 0.9, torch.device("cpu"))
    hooks = FakeQuantizedLayer(max_abs_scale(layer.weight), slice(0, 0), ranges, 0, active=True, **options)
    hooks.attach(layer)
    return hooks


LAYERS = [
    (nn.Conv1d(4, 6, 3, groups=2), (2, 4, 9)),
    (nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular"), (2, 3, 8, 8)),
    (nn.ConvTranspose2d(3, 2, 3, stride=2, output_padding=1), (2, 3, 8, 8)),
    (nn.Conv3d(1, 2, 3), (1, 1, 5, 5, 5)),
    (nn.Linear(5, 3), (4, 5)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: type(value).__name__)
def test_a_hooked_layer_computes_with_quantised_weights_and_input(layer, shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    scale = max_abs_scale(layer.weight)
    reference = type(layer).__new__(type(layer))
    reference.__dict__ = {**layer.__dict__, "_parameters": dict(layer._parameters)}
    reference._parameters["weight"] = nn.Parameter(quantize(layer.weight, scale) * scale)
    expected = reference(torch.round(x / (x.abs().max() / 127)) * (x.abs().max() / 127))
    master, keys = layer.weight.clone(), list(layer.state_dict())

    hooked(layer)
    found = layer(x)

    assert torch.allclose(found, expected, atol=1e-6)
    assert torch.equal(layer.weight, master)
    assert isinstance(layer.weight, nn.Parameter)
    assert list(layer.state_dict()) == keys
    found.square().sum().backward()
    assert layer.weight.grad.abs().sum() > 0


def test_an_embedding_keeps_its_integer_input():
    layer = nn.Embedding(5, 3)
    scale = max_abs_scale(layer.weight)
    hooked(layer)

    found = layer(torch.tensor([4, 0]))

    assert torch.equal(found, (quantize(layer.weight, scale) * scale)[[4, 0]])


def test_input_by_keyword_is_quantised_too():
    layer = nn.Linear(4, 2)
    hooked(layer)
    x = torch.randn(3, 4)
    assert torch.equal(layer(input=x), layer(x))


def test_the_parameter_is_seen_again_after_an_exception_in_forward():
    layer = nn.Linear(4, 2)
    hooked(layer)

    with pytest.raises(RuntimeError):
        layer(torch.zeros(3, 5))

    assert isinstance(layer.weight, nn.Parameter)


def test_evaluation_can_show_throttled_weights_while_training_does_not():
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.data = torch.tensor([[1.27, 0.1]])
    hooks = hooked(layer, throttled_in_eval=True)
    x = torch.tensor([[1.27, 0.0]])

    hooks.training = True
    assert layer(x).item() == pytest.approx(1.27 * 1.27)
    hooks.training = False
    assert layer(x).item() == pytest.approx(1.27 * 0.63)
    assert layer.weight[0, 0] == 1.27
