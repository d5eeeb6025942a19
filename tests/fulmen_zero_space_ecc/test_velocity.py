"""Outward velocity is removed at the bounds, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch import Callback
from wot_toys import ToyClassifier, fit, outside, same_weights

from fulmen import UserError
from fulmen_zero_space_ecc.training.velocity import has_momentum, remove_outward_
from fulmen_zero_space_ecc.training.wot import WeightDistributionTraining

SCALE, FREE = torch.tensor(1.0), slice(4, None)


@pytest.mark.parametrize("key", ["momentum_buffer", "exp_avg"])
@pytest.mark.parametrize("maximize", [False, True])
def test_only_what_points_outward_at_a_bound_goes(key, maximize):
    #         held: low, high, inside, just inside; free: low, high, inside the box's bounds
    weight = torch.tensor([-64.0, 63.0, 5.0, 62.9, -127.0, 127.0, 63.0])
    for sign in (1.0, -1.0):
        state = {key: torch.full((7,), sign), "exp_avg_sq": torch.full((7,), sign)}
        remove_outward_(weight, SCALE, FREE, state, maximize)
        up = (sign > 0) == maximize  # where optimisers would carry the weight
        gone = [not up, up, False, False, not up, up, False]
        assert (state[key] == 0).tolist() == gone
        assert (state["exp_avg_sq"] == sign).all()


def test_channels_and_memory_formats():
    weight = torch.zeros(2, 3, 2, 2).to(memory_format=torch.channels_last)
    scale = torch.tensor([1.0, 0.5]).view(2, 1, 1, 1)
    weight[0, 1, 1, 0], weight[1, 2, 0, 1] = 63.0, 31.5
    momentum = torch.full_like(weight, -1.0)
    remove_outward_(weight, scale, slice(24, None), {"momentum_buffer": momentum}, False)

    assert torch.nonzero(momentum == 0).tolist() == [[0, 1, 1, 0], [1, 2, 0, 1]]


def test_which_optimisers_have_a_velocity():
    parameters = [torch.nn.Parameter(torch.zeros(2))]
    assert has_momentum(torch.optim.SGD(parameters, 0.1, momentum=0.9))
    assert has_momentum(torch.optim.AdamW(parameters))
    assert not has_momentum(torch.optim.SGD(parameters, 0.1))
    assert not has_momentum(torch.optim.RMSprop(parameters))


class OutwardVelocity(Callback):
    """How many weights at a bound have a velocity that points outward, after each step."""

    def __init__(self, wot):
        self.wot, self.count = wot, 0

    def on_train_batch_end(self, trainer, pl_module, *_):
        for segment in self.wot.live.placement.segments:
            weight = self.wot.live.weights[segment.name]
            integers = torch.round(weight.detach() / self.wot.live.scale(segment))
            velocity = -trainer.optimizers[0].state[weight]["momentum_buffer"]
            held = segment.held_mask()
            outward = ((integers == 63) & (velocity > 0)) | ((integers == -64) & (velocity < 0))
            self.count += int((outward & held).sum())


def test_a_run_without_outward_velocity():
    models, counts = [], []
    for remove in (False, True):
        wot = WeightDistributionTraining(remove_outward_velocity=remove)
        watch = OutwardVelocity(wot)
        models.append(fit([watch, wot], ToyClassifier()))
        assert outside(models[-1], wot) == 0
        counts.append(watch.count)

    assert counts[0] > 0
    # 62.6 rounds to 63 and is no bound: nearly all are gone.
    assert counts[1] < counts[0] / 4
    assert not same_weights(*models)


def test_an_optimiser_without_momentum_is_refused():
    class Plain(ToyClassifier):
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    with pytest.raises(UserError, match="remove_outward_velocity: optimiser SGD keeps no momentum"):
        fit([WeightDistributionTraining(remove_outward_velocity=True)], Plain())
