"""Draws from the surrogate against the closed form, its rank-one steps against a fresh inverse."""

from __future__ import annotations

import numpy as np
import pytest

from fulmen_evolution import surrogate
from fulmen_evolution.features import PairFeatures, SparseRows
from fulmen_evolution.space import parse_space
from fulmen_evolution.surrogate import LinearSurrogate
from fulmen_evolution.told_costs import FLOOR, ToldCosts


def made(rows):
    space = parse_space({"a": [0, 1, 2], "b": {"linear": [0, 1]}})
    features, generator = PairFeatures(space.widths), np.random.default_rng(0)
    model = LinearSurrogate(features.size, 1)
    for _ in range(rows):
        model.add(features.encode(space.describe(space.sample(generator))))
    targets = generator.normal(size=(rows, 1))
    return model, (targets - targets.mean()) / targets.std()


def posterior(model, targets):
    """Return mean and covariance of the weights by the textbook, as if told all at once."""
    phi, (strength,) = model.rows.dense(), model.lambdas
    count = len(phi)
    inverse = np.linalg.inv(phi.T @ phi + strength * np.eye(phi.shape[1]))
    kernel = np.linalg.inv(phi @ phi.T + strength * np.eye(count))
    tau2 = float(targets[:, 0] @ kernel @ targets[:, 0]) / count
    return inverse @ phi.T @ targets[:, 0], strength * tau2 * inverse


@pytest.mark.parametrize("strength", [0.08, 8.0])
@pytest.mark.parametrize("later", [0, 6])  # fewer than make the ensemble be drawn anew
def test_draws_have_the_posteriors_mean_and_covariance(strength, later, monkeypatch):
    """Also after rows that came to an ensemble drawn before, one by one."""
    monkeypatch.setattr(surrogate, "ENSEMBLE", 6000)
    monkeypatch.setattr(surrogate, "LAMBDAS", (strength, strength))
    model, first = made(30 - later)
    model.draw(first, 1, np.random.default_rng(1))
    other, targets = made(30)
    for number in range(30 - later, 30):
        model.add(other.rows.row(number))
    draws = model.draw(targets, 6000, np.random.default_rng(1))[:, :, 0].T
    mean, covariance = posterior(model, targets)

    assert model.state()["chosen_at"] == 30 - later
    spread = np.sqrt(np.diag(covariance))
    assert (np.abs(draws.mean(0) - mean) < 5 * spread / np.sqrt(6000)).all()
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.08 * covariance.max())
    # Along the rows, where they are most certain, to some per cent.
    phi = model.rows.dense()
    np.testing.assert_allclose((draws @ phi.T).std(0), np.sqrt(np.diag(phi @ covariance @ phi.T)), rtol=0.05)


def test_objectives_with_strengths_of_their_own_are_drawn_apart():
    """One is the features' own, one is noise: other lambdas, other means, deviations without correlation."""
    space = parse_space({"a": [0, 1, 2], "b": [0, 1, 2]})
    features, generator = PairFeatures(space.widths), np.random.default_rng(0)
    model = LinearSurrogate(features.size, 2)
    for _ in range(60):
        model.add(features.encode(space.describe(space.sample(generator))))
    own = model.rows.dense() @ generator.normal(size=features.size)
    targets = np.stack([own, generator.normal(size=60)], axis=1)
    targets = (targets - targets.mean(0)) / targets.std(0)
    draws = model.draw(targets, 64, generator)

    assert model.lambdas[0] < model.lambdas[1]
    phi = model.rows.dense()
    for number, strength in enumerate(model.lambdas):
        mean = np.linalg.solve(phi.T @ phi + strength * np.eye(features.size), phi.T @ targets[:, number])
        spread = draws[:, :, number].std(1)
        assert (np.abs(draws[:, :, number].mean(1) - mean) < 5 * spread / 8).all()
    deviations = draws - draws.mean(1, keepdims=True)
    assert abs(np.corrcoef(deviations[:, :, 0].ravel(), deviations[:, :, 1].ravel())[0, 1]) < 0.1


def test_draws_are_of_the_generator_and_ensembles_of_the_seed():
    model, targets = made(20)
    one, same, other = (model.draw(targets, 4, np.random.default_rng(seed)) for seed in (0, 0, 1))

    assert (one == same).all()
    assert (one != other).any()
    anew = LinearSurrogate(model.rows.size, 1, seed=1)
    for number in range(20):
        anew.add(model.rows.row(number))
    assert (anew.draw(targets, 4, np.random.default_rng(0)) != one).any()


def test_rank_one_steps_keep_the_inverse():
    model, targets = made(20)
    model.draw(targets, 1, np.random.default_rng(0))
    other, _ = made(24)
    for number in range(20, 24):
        model.add(other.rows.row(number))
    phi, (strength,) = model.rows.dense(), model.lambdas

    expected = np.linalg.inv(phi.T @ phi + strength * np.eye(phi.shape[1]))
    np.testing.assert_allclose(model._beliefs[0].inverse, expected, atol=1e-9)


def test_rows_that_grow_are_multiplied_as_they_are():
    """The matrix that multiplies shares the rows' memory: rows and columns come after it was made."""
    generator = np.random.default_rng(0)
    rows = SparseRows(30)
    for number in range(40):
        places = generator.choice(30, size=4 + number // 4, replace=False)
        rows.append((places, generator.normal(size=len(places))))
        values = generator.normal(size=(rows.count, 2))
        np.testing.assert_allclose(rows.transposed_times(values), rows.dense().T @ values, atol=1e-12)


def test_costs_told_one_after_the_other_are_seen_as_costs_told_at_once():
    """While the best stays, logarithms are kept; a new best, and the first ones' median, change all."""
    generator = np.random.default_rng(0)
    told = generator.exponential(size=(60, 2))
    slowly = ToldCosts(2, first=10)
    for number, costs in enumerate(told, start=1):
        slowly.append(costs)
        seen = slowly.warp(slowly.scale()).targets if number > 3 else None
    at_once = ToldCosts(2, first=10)
    for costs in told:
        at_once.append(costs)

    wanted = at_once.warp(at_once.scale()).targets
    np.testing.assert_array_equal(seen, wanted)
    np.testing.assert_allclose([wanted.mean(0), wanted.std(0)], [[0, 0], [1, 1]], atol=1e-6)


def test_ensembles_of_one_seed_are_apart_by_their_names():
    rows, targets = made(20)
    drawn = []
    for name in ("one", "one", "other"):
        model = LinearSurrogate(rows.rows.size, 1, seed=3, name=name)
        for number in range(20):
            model.add(rows.rows.row(number))
        drawn.append(model.draw(targets, 8, np.random.default_rng(0)))

    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.allclose(drawn[0], drawn[2])


def test_a_limit_that_nobody_has_reached_is_within_what_can_be_believed():
    """Costs that the surrogate gives back lie above -FLOOR on the scale, whatever it makes of them."""
    limits = np.array([0.1, np.inf])
    costs = ToldCosts(2, first=5, limits=limits)
    for value in (0.9, 0.8, 0.7, 0.6, 0.5):
        costs.append(np.array([value, value]))
    scale = costs.scale()

    assert -FLOOR < scale.normal(limits)[0] < 0.1
    assert scale.normal(np.array([0.7, 0.7])) == pytest.approx([1, 1])
    costs.append(np.array([0.05, 0.7]))
    assert costs.scale().normal(limits)[0] > 0.1
