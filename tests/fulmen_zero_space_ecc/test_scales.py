"""One scale a channel: throttle, training, saving and resuming, as with one a layer."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from wot_toys import LAYOUTS, ToyClassifier, digits, fit, outside, same_weights, trainer

from fulmen.errors import CheckpointError
from fulmen_zero_space_ecc.training.wot import WeightDistributionTraining
from fulmen_zero_space_ecc.weights.data_free import max_scale
from fulmen_zero_space_ecc.weights.placement import placement
from fulmen_zero_space_ecc.weights.quantization import fake_quantize_weight
from fulmen_zero_space_ecc.weights.scales import blank, channel_axis
from fulmen_zero_space_ecc.weights.throttle import count_outside, throttle_


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_each_channel_is_held_by_its_own_scale(layout, dtype):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 5, 3, groups=1),
        nn.ConvTranspose2d(4, 6, 3, groups=2),
        nn.Linear(13, 17),
        nn.Embedding(9, 7),
    ).to(dtype)
    for segment in placement(model, layout).segments:
        weight = model.get_parameter(segment.name)
        weight.data = weight.data * 10 ** torch.rand(weight.shape[0], *[1] * (weight.dim() - 1))
        weight.data = weight.data.to(dtype)
        scale = max_scale(weight, "channel", channel_axis(model.get_submodule(segment.layers[0])))
        before = weight.detach().clone()
        assert count_outside(weight, scale, segment.free) > 0

        throttle_(weight, scale, segment.free)

        low = torch.where(segment.held_mask(), -64 * scale, -127 * scale).to(dtype)
        high = torch.where(segment.held_mask(), 63 * scale, 127 * scale).to(dtype)
        assert torch.equal(weight, before.clamp(low, high))
        assert count_outside(weight, scale, segment.free) == 0


def test_the_axis_is_that_of_the_outputs():
    layers = (nn.Conv2d(4, 6, 3), nn.ConvTranspose2d(4, 6, 3), nn.Linear(4, 6))
    assert [channel_axis(layer) for layer in layers] == [0, 1, 0]
    shapes = [tuple(blank(layer.weight, layer, "channel").shape) for layer in layers]
    assert shapes == [(6, 1, 1, 1), (1, 6, 1, 1), (6, 1)]


def test_rounding_by_channels_is_rounding_each_channel():
    weight = torch.randn(6, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    scale = max_scale(weight, "channel")
    by_channel = [fake_quantize_weight(weight[k], scale[k].reshape(())) for k in range(6)]

    assert torch.equal(fake_quantize_weight(weight, scale), torch.stack(by_channel))


@pytest.mark.parametrize("mode", ["throttle", "admm"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_training_ends_in_the_box_and_evaluation_is_the_same_after_loading(layout, mode, tmp_path):
    options = {"mode": mode, "layout": layout, "start_epoch": 1, "scales": "channel"}
    wot = WeightDistributionTraining(**options)
    running = trainer([wot], max_epochs=3)
    model = ToyClassifier()
    running.fit(model, digits(0, 256))
    running.save_checkpoint(tmp_path / "last.ckpt")

    scales = {n: torch.tensor(s) for n, s in wot.state_dict()["frozen"]["scales"].items()}
    assert scales["network.stem.0.weight"].shape == (12, 1, 1, 1)
    assert scales["network.head.weight"].shape == (10, 1)
    assert outside(model, wot) == 0
    (direct,) = running.validate(model, digits(256, 384), verbose=False)
    fresh = trainer([WeightDistributionTraining(**options)])
    (loaded,) = fresh.validate(ToyClassifier(), digits(256, 384), tmp_path / "last.ckpt", verbose=False)
    assert direct == loaded


def test_a_resumed_run_ends_with_the_same_weights_bit_for_bit(tmp_path):
    make = lambda: WeightDistributionTraining(scales="channel", remove_outward_velocity=True)  # noqa: E731
    saver = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1)
    straight = fit([make(), saver], max_epochs=3, enable_checkpointing=True)

    resumed = fit([make()], max_epochs=3, ckpt_path=tmp_path / "epoch=0.ckpt")

    assert same_weights(straight, resumed)


def test_scales_of_another_kind_are_refused(tmp_path):
    running = trainer([WeightDistributionTraining()], max_epochs=1)
    running.fit(ToyClassifier(), digits(0, 64))
    running.save_checkpoint(tmp_path / "layer.ckpt")

    with pytest.raises(CheckpointError, match="one a layer, one a channel is asked for; set scales"):
        trainer([WeightDistributionTraining(scales="channel")], max_epochs=2).fit(
            ToyClassifier(), digits(0, 64), ckpt_path=tmp_path / "layer.ckpt"
        )


def test_a_dead_channel_gets_the_largest_scale():
    weight = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    weight[1] = 0
    scale = max_scale(weight, "channel").flatten()

    assert scale[1] == scale.max()
    assert (max_scale(torch.zeros(3, 8), "channel") == 1).all()
