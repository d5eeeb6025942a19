"""Intervals of a mean, against scipy's Student distribution and against their promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fulmen_zero_space_ecc.campaign.intervals import mean_interval

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize("count", [2, 3, 4, 7, 30, 201, 1000])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_it_is_the_interval_of_student(count, confidence):
    values = np.random.default_rng(count).normal(3, 2, count)

    found = mean_interval(values, confidence)

    low, high = stats.t.interval(confidence, count - 1, values.mean(), stats.sem(values))
    assert found.low == pytest.approx(low, rel=1e-8)
    assert found.high == pytest.approx(high, rel=1e-8)
    assert found.half_width == pytest.approx((high - low) / 2, rel=1e-8)


def test_it_covers_the_mean_as_often_as_it_says():
    generator = np.random.default_rng(0)
    found = [mean_interval(generator.normal(0, 1, 12), 0.9) for _ in range(2000)]
    assert np.mean([i.low <= 0 <= i.high for i in found]) == pytest.approx(0.9, abs=0.025)


def test_one_trial_says_nothing_and_equal_trials_have_no_width():
    assert mean_interval([0.4]).half_width == math.inf
    assert mean_interval([0.4, 0.4, 0.4]).half_width == 0
