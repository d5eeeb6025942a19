"""Lags and member are found from the data alone."""

from __future__ import annotations

import numpy as np
import pytest

from fulmen_attention_granger.choice import choose_member, held_out_loss
from fulmen_attention_granger.knockout import Knockouts
from fulmen_attention_granger.lag_choice import choose_lags
from fulmen_attention_granger.systems import recorded
from fulmen_attention_granger.windows import standardised


@pytest.mark.parametrize("lag", [1, 2, 4])
def test_the_lag_of_an_autoregression_is_found(lag):
    generator = np.random.default_rng(lag)
    x = generator.standard_normal((1500, 4))
    for t in range(lag, len(x)):
        x[t] += 0.7 * np.roll(x[t - lag], 1)

    assert choose_lags(standardised([x])).lags == lag


def test_noise_needs_one_lag():
    assert choose_lags(standardised([np.random.default_rng(0).standard_normal((800, 4))])).lags == 1


@pytest.mark.parametrize("seed", [200, 201])
def test_a_driver_that_acts_after_three_steps_takes_three_lags(seed):
    assert choose_lags(standardised(recorded.common_driver(seed=seed).trials)).lags == 3


def read(squared: list[float], log_loss: list[float]) -> Knockouts:
    nothing = np.zeros((1, 3, 2, 2))
    return Knockouts(nothing, np.ones((1, 2)), np.zeros((2, 2, 1)), np.array(squared), np.array(log_loss))


def test_losses_are_likelihoods_of_gaussians():
    """A constant variance s2 gives 1 + log s2; a variance head that says just that gives the same."""
    member = read([0.5, 2.0], [1 + np.log(0.5), 1 + np.log(2.0)])

    assert held_out_loss(member, variance=False) == pytest.approx(held_out_loss(member, variance=True))


def test_a_variance_head_that_overfits_is_not_chosen():
    good, overfit = read([0.5, 0.5], [0.4, 0.4]), read([0.5, 0.5], [9.0, 9.0])
    chosen, losses = choose_member(
        {"linear": [read([0.9, 0.9], [0, 0])], "nonlinear": [good], "heteroscedastic": [overfit]}
    )

    assert chosen == "nonlinear"
    assert losses["nonlinear"] == pytest.approx(1 + np.log(0.5))
