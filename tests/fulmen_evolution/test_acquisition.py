"""What promises most, on points whose gains can be told by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fulmen_evolution.acquisition import most_promising

NONE = np.array([np.inf, np.inf])
BOTH = np.array([True, True])
FRONT = np.array([[0.5, 0.5]])


def chosen(points, front=FRONT, limits=NONE, free=BOTH):
    points = np.array(points, dtype=float)
    return most_promising(points, np.array(front).reshape(-1, 2), limits, free, np.random.default_rng(0))


def test_the_mean_gain_counts_not_the_gain_of_the_mean():
    """The sure one gains .1 * .5 = .05; the other, once in four, .9 * .9 - .25 = .56, then .6 * .6 - .25."""
    sure, seldom = [[0.4, 0.5]] * 4, [[0.1, 0.1]] + [[0.9, 0.9]] * 3
    assert np.mean(sure, axis=0).sum() < np.mean(seldom, axis=0).sum()

    assert chosen([sure, seldom]) == 1
    assert chosen([sure, [[0.4, 0.4]] + [[0.9, 0.9]] * 3]) == 0


def test_what_is_known_gains_nothing():
    assert chosen([[[0.4, 0.4]], [[0.9, 0.1]]]) == 0
    assert chosen([[[0.4, 0.4]], [[0.9, 0.1]]], front=[[0.5, 0.5], [0.4, 0.4]]) == 1


def test_a_draw_beyond_a_limit_sees_no_gain():
    limits = np.array([0.3, np.inf])
    points = [[[0.31, 0.0], [0.31, 0.0]], [[0.29, 0.6], [0.31, 0.0]]]

    assert chosen(points) == 0
    assert chosen(points, limits=limits) == 1
    assert chosen(points, front=[[0.1, 0.1]], limits=limits) == 0
    assert chosen([[[0.5, 0.0]], [[0.3, 0.9]]], front=[[0.1, 0.1]], limits=limits) == 1


def test_what_lies_beyond_a_limit_takes_nothing_from_what_does_not():
    """As one in flight may that is expected to be of no use."""
    limits = np.array([0.3, np.inf])
    points = [[[0.2, 0.8]], [[0.25, 0.5]]]

    assert chosen(points, front=[[0.29, 0.85]], limits=limits) == 1
    assert chosen(points, front=[[0.29, 0.85], [0.31, 0.0]], limits=limits) == 1
    free = np.array([False, True])
    points = [[[0.2, 0.4], [0.2, 0.9]], [[0.2, 0.6], [0.2, 0.6]]]  # gains .25 and .1, sums 1.3 and 1.2
    assert chosen(points, front=[[0.2, 0.65], [0.31, 0.0]], limits=limits, free=free) == 0


def test_a_bounded_cost_is_not_made_smaller_than_its_limit():
    limits, free = np.array([0.3, np.inf]), np.array([False, True])
    points = [[[0.0, 0.4]], [[0.3, 0.39]], [[0.301, 0.0]]]

    assert chosen(points, front=[[0.2, 0.5]], limits=limits, free=free) == 1


def test_what_is_within_the_limits_may_all_cost_more_than_usual():
    """1 is usual; the best within the limits has 1.5, and only what it has less than that is a gain."""
    limits, free = np.array([0.3, np.inf]), np.array([False, True])
    points = [[[0.2, 1.6], [0.2, 1.6]], [[0.2, 1.2], [0.2, 1.45]], [[0.2, 1.3], [0.2, 1.3]], [[0.4, 0.1]] * 2]

    assert chosen(points, front=[[0.2, 1.5]], limits=limits, free=free) == 2
    assert chosen(points, front=[[0.2, 1.5], [0.2, 1.25]], limits=limits, free=free) == 1
    limits = np.array([0.3, 9.0])  # both are to be small
    points = [[[0.28, 1.6]], [[0.2, 1.4]], [[0.1, 1.3]]]
    assert chosen(points, front=[[0.25, 1.5]], limits=limits) == 2


@pytest.mark.parametrize("draws", [1, 3])
def test_one_cost_and_three_and_an_empty_front(draws):
    generator = np.random.default_rng(0)
    for costs in (1, 3):
        points = np.full((3, draws, costs), 0.8)
        points[1] = 0.2
        limits, free = np.full(costs, np.inf), np.ones(costs, dtype=bool)
        assert most_promising(points, np.empty((0, costs)), limits, free, generator) == 1
