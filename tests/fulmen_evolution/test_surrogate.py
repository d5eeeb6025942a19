"""Draws from the surrogate against the closed form, its rank-one steps against a fresh inverse."""

from __future__ import annotations

import numpy as np

from fulmen_evolution.features import PairFeatures
from fulmen_evolution.space import parse_space
from fulmen_evolution.surrogate import LinearSurrogate


def made(rows):
    space = parse_space({"a": [0, 1, 2], "b": {"linear": [0, 1]}})
    features, generator = PairFeatures(space.widths), np.random.default_rng(0)
    model = LinearSurrogate(features.size, 1)
    for _ in range(rows):
        model.add(features.encode(space.describe(space.sample(generator))))
    targets = generator.normal(size=(rows, 1))
    return model, (targets - targets.mean()) / targets.std()


def test_draws_have_the_posteriors_mean_and_covariance():
    model, targets = made(30)
    generator = np.random.default_rng(1)
    draws = np.array([model.draw(targets, generator)[:, 0] for _ in range(6000)])
    phi, (strength,) = model.rows.dense(), model.lambdas
    inverse = np.linalg.inv(phi.T @ phi + strength * np.eye(phi.shape[1]))
    kernel = np.linalg.inv(phi @ phi.T + strength * np.eye(30))
    tau2 = float(targets[:, 0] @ kernel @ targets[:, 0]) / 30
    covariance = strength * tau2 * inverse

    spread = np.sqrt(np.diag(covariance))
    assert (np.abs(draws.mean(0) - inverse @ phi.T @ targets[:, 0]) < 5 * spread / np.sqrt(6000)).all()
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.08 * covariance.max())


def test_rank_one_steps_keep_the_inverse():
    model, targets = made(20)
    model.draw(targets, np.random.default_rng(0))
    other, _ = made(24)
    for number in range(20, 24):
        model.add(other.rows.row(number))
    phi, (strength,) = model.rows.dense(), model.lambdas

    expected = np.linalg.inv(phi.T @ phi + strength * np.eye(phi.shape[1]))
    np.testing.assert_allclose(model._inverses[strength], expected, atol=1e-9)
