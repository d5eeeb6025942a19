"""ADMM: the augmented Lagrangian's own gradient, the updates as published, and what training ends with."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch import Callback
from wot_toys import LAYOUTS, ToyClassifier, fit

from fulmen_zero_space_ecc.training.admm import penalty_gradient, update_
from fulmen_zero_space_ecc.training.wot import WeightDistributionTraining

SCALE = torch.tensor(0.5)  # the box is [-32, 31.5], of free weights [-63.5, 63.5]
FREE = slice(7, None, 8)


def project(weight):
    held = weight.clamp(-32, 31.5)
    held[FREE] = weight[FREE].clamp(-63.5, 63.5)
    return held


def weights(seed=0):
    return 60 * torch.randn(64, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_updates_are_those_of_the_book():
    """Scaled ADMM as written in Boyd et al., section 3.1.1, its gradient by autograd."""
    projected, dual, u = (torch.zeros(64, dtype=torch.float64) for _ in range(3))
    for step in range(12):
        w = weights(step)
        z = project(w + u)
        u = u + w - z
        update_(projected, dual, w, SCALE, FREE)
        assert torch.allclose(dual, u, rtol=0, atol=1e-12)

        # The gradient through W of rho / 2 * ||W - Z + U||^2, by autograd.
        leaf = w.clone().requires_grad_()
        (0.3 / 2 * (leaf - z + u).square().sum()).backward()
        found = penalty_gradient(projected, dual, w, rho=0.3)
        assert torch.allclose(found, leaf.grad, rtol=0, atol=1e-10)
    assert (u != 0).sum() > 10


def test_inside_the_box_there_is_no_force():
    w, projected, dual = torch.linspace(-31, 31, 64), torch.zeros(64), torch.zeros(64)
    update_(projected, dual, w, SCALE, FREE)

    assert torch.equal(dual, torch.zeros(64))
    assert torch.equal(penalty_gradient(projected, dual, w, 1.0), torch.zeros(64))


def test_a_quadratic_loss_ends_at_the_projection():
    """For f(W) = ||W - A||^2 / 2 the minimum inside the box is the projection of A."""
    target = weights()
    w = torch.nn.Parameter(target.clone())
    optimizer = torch.optim.SGD([w], 0.2)
    projected, dual = project(target), torch.zeros(64, dtype=torch.float64)
    for _ in range(600):
        w.grad = w.detach() - target + penalty_gradient(projected, dual, w, 1.0)
        optimizer.step()
        update_(projected, dual, w, SCALE, FREE)

    assert torch.allclose(w.detach(), project(target), atol=1e-3)
    assert (target - project(target)).abs().max() > 10


class Outside(Callback):
    """How many weights lie outside before the last throttle (it stands before wot)."""

    def __init__(self, wot):
        self.wot, self.counts = wot, []

    def on_train_batch_end(self, *_):
        self.counts.append(sum(int(c) for c in self.wot.live.count_outside().values()))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_draws_weights_in_without_a_throttle(layout):
    wot = WeightDistributionTraining("admm", layout, admm_rho=0.1)
    watch = Outside(wot)
    fit([watch, wot], ToyClassifier(lr=0.02), max_epochs=4)

    assert watch.counts[0] > 20
    assert watch.counts[-1] < watch.counts[0] / 4


def test_the_gradient_is_added_once_a_step_whoever_steps():
    """Automatic, by hand with Lightning's wrapper, by hand without it: the same weights."""
    import torch.nn.functional as F

    class ByHand(ToyClassifier):
        def __init__(self, raw):
            super().__init__()
            self.automatic_optimization = False
            self.raw = raw

        def training_step(self, batch, batch_idx):
            optimizer = self.optimizers(use_pl_optimizer=not self.raw)
            optimizer.zero_grad()
            self.manual_backward(F.cross_entropy(self.network(batch[0]), batch[1]))
            optimizer.step()

    models = []
    for model in (lambda: ToyClassifier(), lambda: ByHand(False), lambda: ByHand(True)):
        torch.manual_seed(1)
        models.append(fit([WeightDistributionTraining("admm")], model(), max_epochs=1))
    first = models[0].network.head.weight
    assert all(torch.equal(first, other.network.head.weight) for other in models[1:])
