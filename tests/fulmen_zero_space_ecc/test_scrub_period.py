"""Scrub periods against the closed form, a simulation, and each other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fulmen_zero_space_ecc.campaign.scrub_period import (
    block_loss,
    flips_per_bit_hour,
    mean_hours_to_loss,
    mean_hours_unprotected,
    scrub_period,
)


def test_one_fit_per_mbit_is_one_flip_in_a_billion_hours_of_a_mbit():
    assert flips_per_bit_hour(1) * 2**20 * 1e9 == pytest.approx(1)
    assert mean_hours_unprotected(2**20, 1) == pytest.approx(1e9)


@pytest.mark.parametrize("period", [1e-6, 1.0, 1e5, 1e9])
def test_a_block_is_lost_with_the_poisson_probability_of_two_flips(period):
    from mpmath import exp, mp, mpf

    mp.dps = 60
    x = mpf(64) * mpf(1000) / mpf(10) ** 9 / mpf(2) ** 20 * mpf(period)
    assert block_loss(64, 1000, period) == pytest.approx(float(1 - exp(-x) * (1 + x)), rel=1e-9)


def test_the_mean_time_to_loss_is_that_of_a_simulation():
    blocks, bits, period = 50, 64, 1.0
    fit = 0.02 / 64 * 1e9 * 2**20  # a block takes 0.02 flips a period
    generator = np.random.default_rng(0)
    lasted = []
    for _ in range(2000):
        periods = 0
        while (generator.poisson(0.02, blocks) < 2).all():
            periods += 1
        lasted.append((periods + 0.5) * period)
    assert mean_hours_to_loss(blocks, bits, fit, period) == pytest.approx(np.mean(lasted), rel=0.1)


def test_the_period_found_reaches_what_was_wanted_and_no_longer_one_does():
    period = scrub_period(3248, 64, 1e6, wanted_hours=1e7)
    assert mean_hours_to_loss(3248, 64, 1e6, period) >= 1e7
    assert mean_hours_to_loss(3248, 64, 1e6, period * 1.001) < 1e7


def test_where_there_is_time_enough_no_scrub_is_needed():
    assert scrub_period(10, 64, 1.0, wanted_hours=1.0) == math.inf
    assert mean_hours_to_loss(10, 64, 0.0, 1.0) == math.inf
    assert mean_hours_to_loss(10, 64, 1e30, 1.0) == 0
