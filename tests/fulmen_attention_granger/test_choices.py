"""Lags and member are found from the data alone."""

from __future__ import annotations

import numpy as np
import pytest

from fulmen_attention_granger.choice import MEMBERS, choose_member, held_out_loss
from fulmen_attention_granger.estimate import EstimateOptions, estimate
from fulmen_attention_granger.lag_choice import choose_lags
from fulmen_attention_granger.member import Members, read_members
from fulmen_attention_granger.systems import recorded
from fulmen_attention_granger.windows import standardised


def test_short_trials_are_given_as_many_lags_as_they_can_bear():
    trials = list(np.random.default_rng(0).standard_normal((20, 13, 2)))

    assert len(choose_lags(trials, 5).losses) == 3
    with pytest.raises(ValueError, match="max_lags is 6, the longest trial has 13 rows; expected at most"):
        choose_lags(trials, 6)


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


class Asked(Exception):  # noqa: N818  (no error: it ends the estimate once it has asked)
    """Holds the first pieces of an estimate."""


@pytest.mark.parametrize(
    ("rows", "variables", "folds", "tried", "share"),
    [(400, 50, 5, [0, 1, 2, 3, 4], 0.2), (400, 51, 3, [0], 0.2), (3000, 50, 3, [0], 0.1)],
)
def test_long_and_wide_recordings_have_fewer_folds_of_which_one_is_tried(
    rows, variables, folds, tried, share
):
    def ask(items, label):
        raise Asked(items)

    x = np.random.default_rng(0).standard_normal((rows, variables))
    with pytest.raises(Asked) as asked:
        estimate([x], ask, EstimateOptions(lags=1))

    items = asked.value.args[0]
    assert [item["held_out"] for item in items] == [tried] * 3
    assert {(item["folds"], item["share"]) for item in items} == {(folds, share)}


def test_losses_are_likelihoods_of_gaussians():
    """A constant variance s2 gives 1 + log s2; a variance head that says just that, or twice it, the same."""
    squared, none = np.array([0.5, 2.0]), np.zeros(2)
    expected = 1 + np.log(squared).mean()

    assert held_out_loss(squared, none) == pytest.approx(expected)
    assert held_out_loss(np.ones(2), np.log(squared)) == pytest.approx(expected)
    assert held_out_loss(np.full(2, 0.5), np.log(2 * squared)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("system", "best"), [("lorenz_96", "nonlinear"), ("linear_autoregression", "linear")], ids=str
)
def test_the_member_of_few_rows_is_that_which_ranks_better(system, best):
    """Trained to the end, nonlinear members have overfitted beyond the linear one in both."""
    make = {"lorenz_96": lambda: recorded.lorenz_96(20, 250, 40.0, seed=100)}.get(
        system, lambda: recorded.linear_autoregression(20, 250, seed=100)
    )
    series, lags = standardised(make().trials), 1 if system == "lorenz_96" else 2
    read = {
        name: read_members(series, Members(lags, *MEMBERS[name], 0, [0, 1], 5, 0.2, effort=0.2))
        for name in ("linear", "nonlinear")
    }
    scaled = {
        name: [held_out_loss(one.scaled_loss, one.knockouts.log_variance) for one in found]
        for name, found in read.items()
    }
    raw = {name: np.mean([one.knockouts.squared_error for one in found]) for name, found in read.items()}

    assert choose_member(scaled)[0] == best
    assert raw["linear"] < raw["nonlinear"]
