"""The front and its hypervolume against moocore and against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from fulmen.search.pareto import hypervolume, non_dominated


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_the_front_is_that_of_all_pairs(objectives, seed):
    costs = np.random.default_rng(seed).integers(0, 6, (60, objectives)).astype(float)  # with ties
    by_hand = [not any((o <= c).all() and (o < c).any() for o in costs) for c in costs]

    assert non_dominated(costs).tolist() == by_hand


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_the_hypervolume_is_that_of_a_grid_of_points(objectives):
    random = np.random.default_rng(0)
    costs = random.integers(0, 6, (12, objectives)).astype(float)
    cells = np.stack(np.meshgrid(*[np.arange(6)] * objectives, indexing="ij"), -1).reshape(-1, objectives)
    dominated = sum(bool((costs <= cell).all(1).any()) for cell in cells)  # cell c is [c, c+1)

    assert hypervolume(costs, [6.0] * objectives) == pytest.approx(dominated)


def test_points_outside_the_reference_add_nothing():
    assert hypervolume(np.array([[2.0, 0.0], [0.5, 0.5]]), [1.0, 1.0]) == pytest.approx(0.25)
    assert hypervolume(np.zeros((0, 2)), [1.0, 1.0]) == 0.0
    assert non_dominated(np.zeros((0, 2))).tolist() == []


def test_it_agrees_with_moocore():
    moocore = pytest.importorskip("moocore")
    costs = np.random.default_rng(1).random((300, 3))

    assert hypervolume(costs, [1.0, 1.0, 1.0]) == pytest.approx(moocore.hypervolume(costs, ref=[1, 1, 1]))
    assert non_dominated(costs).tolist() == moocore.is_nondominated(costs).tolist()
