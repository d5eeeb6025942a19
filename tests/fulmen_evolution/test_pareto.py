"""Pareto sets and hypervolumes against brute force and an independent library."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fulmen_evolution.pareto import crowding, hypervolume, improvements, non_dominated, ranks


def brute_force(costs):
    return np.array(
        [not any((b <= a).all() and (b < a).any() for b in costs) for a in costs], dtype=bool
    ).reshape(-1)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_non_dominated_is_what_the_definition_says_ties_included(objectives):
    for seed in range(60):
        generator = np.random.default_rng(seed)
        costs = generator.integers(0, 5, (int(generator.integers(0, 40)), objectives)).astype(float)

        assert non_dominated(costs).tolist() == brute_force(costs).tolist()


def test_ranks_peel_front_after_front():
    costs = np.random.default_rng(0).integers(0, 9, (60, 2)).astype(float)
    found = ranks(costs)

    for rank in range(found.max() + 1):
        left = found >= rank
        assert (found[left] == rank).tolist() == brute_force(costs[left]).tolist()


def test_crowding_of_a_front_worked_by_hand():
    costs = np.array([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0], [2.0, 2.0]])

    assert crowding(costs).tolist() == [np.inf, 2 / 4 + 2 / 4, np.inf, 3 / 4 + 3 / 4]


def test_crowding_where_all_are_equal_has_no_nan():
    assert not np.isnan(crowding(np.ones((4, 2)))).any()


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_hypervolume_is_the_number_of_unit_boxes_that_are_dominated(objectives):
    side = 5
    boxes = np.array(list(itertools.product(range(side), repeat=objectives)), dtype=float)
    for seed in range(20):
        generator = np.random.default_rng(seed)
        costs = generator.integers(0, side + 1, (int(generator.integers(0, 9)), objectives)).astype(float)
        covered = sum(any((point <= box).all() for point in costs) for box in boxes)

        assert hypervolume(costs, np.full(objectives, float(side))) == pytest.approx(covered)


@pytest.mark.parametrize("objectives", [1, 2])
def test_improvements_are_differences_of_hypervolumes(objectives):
    reference = np.ones(objectives)
    for seed in range(40):
        generator = np.random.default_rng(seed)
        points, others = generator.uniform(-0.2, 1.3, (2, 25, objectives))
        front = others[non_dominated(others)]
        expected = [
            hypervolume(np.concatenate([front, point[None]]), reference) - hypervolume(front, reference)
            for point in points
        ]

        np.testing.assert_allclose(improvements(points, front, reference, generator), expected, atol=1e-12)


def test_estimated_improvements_are_near_the_exact_ones():
    generator = np.random.default_rng(3)
    reference = np.ones(3)
    points, others = generator.uniform(0, 1.1, (2, 30, 3))
    front = others[non_dominated(others)][:4]
    expected = np.array(
        [
            hypervolume(np.concatenate([front, point[None]]), reference) - hypervolume(front, reference)
            for point in points
        ]
    )
    estimates = np.mean([improvements(points, front, reference, generator) for _ in range(60)], axis=0)

    np.testing.assert_allclose(estimates, expected, atol=0.01)
