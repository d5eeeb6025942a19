"""The refitted read-out is the t value of one explicit regression per pair."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fulmen_attention_granger.refit import RefitSums, strongest

N, SOURCES, LAGS, SAMPLES = 4, 6, 2, 300


@pytest.fixture(scope="module")
def held_out():
    g = torch.Generator().manual_seed(0)
    history = torch.randn(SAMPLES, SOURCES, LAGS, generator=g)
    added = history[..., 0].T[:, :, None] * torch.linspace(0.2, 1, N) + 0.1 * torch.randn(
        SOURCES, SAMPLES, N, generator=g
    )
    future = history[:, :N, 0] + 0.5 * torch.tanh(history[:, [1], 1]) + torch.randn(SAMPLES, N, generator=g)
    forecast = future + 0.7 * torch.randn(SAMPLES, N, generator=g)
    known = (torch.rand(SAMPLES, N, generator=g) > 0.1).float()
    weight = known * (0.5 + torch.rand(SAMPLES, N, generator=g))
    return added, forecast, history, future, weight, known


def explicit_t(held_out, strong, target, source):
    added, forecast, history, future, weight, known = (part.double().numpy() for part in held_out)
    y, c = future[:, target], added[source, :, target]
    columns = [np.ones(SAMPLES), forecast[:, target] - c]
    for s in [target, *(k for k in strong if k != source)]:
        lags = history[:, s]
        columns += [*lags.T, *np.tanh(lags).T]
        if s != target:
            columns.append(added[s, :, target])
    x = np.stack([*columns, c], 1)
    root = np.sqrt(weight[:, target])
    x, y = x * root[:, None], y * root
    inverse = np.linalg.inv(x.T @ x)
    slopes = inverse @ x.T @ y
    free = known[:, target].sum() - x.shape[1]
    variance = ((y - x @ slopes) ** 2).sum() / free
    return slopes[-1] / np.sqrt(inverse[-1, -1] * variance)


def test_nothing_is_said_of_a_target_that_is_constant_while_held_out(held_out):
    added, forecast, history, future, weight, known = held_out
    still = future.clone()
    still[:, 1] = -0.125
    sums = RefitSums(np.array([[1, 2], [0, 3], [3, 0], [0, 1]]), SOURCES, LAGS)
    sums.add(added, forecast, history, still, weight, known)
    t = sums.t_values()

    assert np.array_equal(t[1], np.zeros(SOURCES))
    assert np.abs(t[[0, 2, 3]]).max() > 3


def test_what_a_source_explains_without_a_rest_has_a_great_t_value(held_out):
    added, forecast, history, future, weight, known = held_out
    exact = future.clone()
    exact[:, 0] = 0.5 * history[:, 0, 0] + added[3, :, 0]
    sums = RefitSums(np.array([[1, 2], [0, 3], [3, 0], [0, 1]]), SOURCES, LAGS)
    sums.add(added, forecast, history, exact, weight, known)
    t = sums.t_values()

    assert np.isfinite(t).all()
    assert t[0].argmax() == 3
    assert t[0, 3] > 1000


def test_what_is_explained_beyond_all_there_is_is_rounding(held_out):
    sums = RefitSums(np.array([[1, 2], [0, 3], [3, 0], [0, 1]]), SOURCES, LAGS)
    sums.add(*held_out)
    sums.cy[0, 3] *= 1e3

    assert sums.t_values()[0, 3] == 0


def test_t_values_are_those_of_explicit_regressions(held_out):
    strong = np.array([[1, 2], [0, 3], [3, 0], [0, 1]])
    sums = RefitSums(strong, SOURCES, LAGS)
    for part in (slice(0, 100), slice(100, SAMPLES)):  # running sums: stretches add up
        sums.add(held_out[0][:, part], *(array[part] for array in held_out[1:]))
    t = sums.t_values()

    expected = [
        [0.0 if i == j else explicit_t(held_out, strong[i], i, j) for j in range(SOURCES)] for i in range(N)
    ]
    np.testing.assert_allclose(t, expected, rtol=1e-3, atol=1e-3)
    assert np.abs(t).max() > 3


def test_a_source_that_adds_nothing_has_no_t_value(held_out):
    added = held_out[0].clone()
    added[5] = 0
    sums = RefitSums(np.array([[1], [0], [0], [0]]), SOURCES, LAGS)
    sums.add(added, *held_out[1:])

    assert sums.t_values()[:, 5].tolist() == [0] * N


def test_the_strongest_are_real_and_not_the_target_itself():
    weights = np.array([[9.0, 1, 2, 50], [3, 9, 1, 50], [5, 4, 9, 50]])

    assert strongest(weights, 1).tolist() == [[2], [0], [0]]
    assert strongest(weights, 7).tolist() == [[2, 1], [0, 2], [0, 1]]
