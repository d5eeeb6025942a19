"""Lags and member are found from the data alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fulmen_attention_granger.choice import MEMBERS, choose_member, held_out_loss
from fulmen_attention_granger.lag_choice import choose_lags
from fulmen_attention_granger.member import Members, read_members
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


def test_losses_are_likelihoods_of_gaussians():
    """A variance head that gives each target the variance of its errors says what no head says."""
    generator = torch.Generator().manual_seed(0)
    mean, future = torch.randn(2, 2, 50, 3, generator=generator)
    known = (torch.rand(2, 50, 3, generator=generator) > 0.3).float()
    squared = ((mean - future).square() * known).sum(1, keepdim=True) / known.sum(1, keepdim=True)
    without = held_out_loss(mean, None, future, known)

    torch.testing.assert_close(without, 1 + squared.log().mean((1, 2)))
    torch.testing.assert_close(held_out_loss(mean, squared.log().expand(2, 50, 3), future, known), without)


def test_a_member_counts_at_its_best_and_not_where_it_has_overfitted():
    chosen, losses = choose_member(
        {
            "linear": [np.array([0.9, 0.8, 0.8])],
            "nonlinear": [np.array([0.9, 0.6, 1.2]), np.array([0.9, 0.8, 1.4])],
            "heteroscedastic": [np.array([2.0, 3.0, 4.0])],
        }
    )

    assert chosen == "nonlinear"
    assert losses == {"linear": 0.8, "nonlinear": pytest.approx(0.7), "heteroscedastic": 2.0}


def test_a_nonlinear_system_takes_a_nonlinear_member_though_rows_are_few():
    """Trained to the end, the nonlinear member has overfitted beyond the linear one."""
    series = standardised(recorded.lorenz_96(20, 250, 40.0, seed=100).trials)
    courses = {
        name: [r.course for r in read_members(series, Members(1, *MEMBERS[name], 0, [0, 1], 5, 0.2))]
        for name in ("linear", "nonlinear")
    }

    assert choose_member(courses)[0] == "nonlinear"
    assert np.mean(courses["nonlinear"], 0)[-1] > np.mean(courses["linear"], 0)[-1]
