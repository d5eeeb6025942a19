"""All pairs in one pass give what taking the sources away one by one gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fulmen_attention_granger import readouts
from fulmen_attention_granger.knockout import READ_OUTS, block_starts, knock_out, lag_strengths, mean_values
from fulmen_attention_granger.network import Design, KnockoutAttention, one_member

N, M, LAGS, WINDOWS = 3, 5, 2, 37


@pytest.fixture(params=[(False, False), (True, False), (True, True)], ids=["linear", "nonlinear", "variance"])
def network(request):
    nonlinear, variance = request.param
    made = KnockoutAttention(Design(N, M, LAGS, nonlinear, variance, heads=3, width=2, hidden=8), [7])
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():  # none may be at its neutral start
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return made.requires_grad_(False)


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(2)
    known = (torch.rand(WINDOWS, N, generator=generator) > 0.2).float()
    return (
        torch.randn(WINDOWS, M, LAGS, generator=generator),
        torch.randn(WINDOWS, N, generator=generator) * known,
        known,
    )


def without(network: KnockoutAttention, mean: torch.Tensor, history: torch.Tensor, j: int) -> torch.Tensor:
    """The forecast with the values of source j replaced by their mean: a pass of the whole network."""
    values = network.values(history[None])
    values[:, :, j] = mean[:, j]
    own = network.own(history[None, :, :N])
    return network.head(network.pool(values, network.signed_attention()), own)[0]


def test_the_three_read_outs_are_those_of_one_source_at_a_time(network, data):
    history, future, known = data
    mean = mean_values(network, history)
    got = knock_out(network, mean, history, future, known, range(0, 30, 10), lags=LAGS)
    forecast = network(history[None])
    full, log = forecast.mean[0], forecast.log_variance
    weight = known if log is None else known * torch.exp(-log[0])

    assert got.blocks.shape == (3, len(READ_OUTS), N, M)
    whole = (got.blocks * got.count[:, None, :, None]).sum(0) / got.count.sum(0)[:, None]
    for j in range(M):
        reduced = without(network, mean, history, j)
        expected = [
            weight * (full - reduced) ** 2,
            weight * ((future - reduced) ** 2 - (future - full) ** 2),
            2 * weight * (future - reduced) * (full - reduced),
        ]
        for index, values in enumerate(expected):
            wanted = (values.sum(0) / known.sum(0)).numpy()
            assert whole[index, :, j] == pytest.approx(wanted, rel=1e-4, abs=1e-6)
        slope = (known * (full - reduced)).T @ history[:, j] / known.sum(0)[:, None]
        assert got.slope[:, j] == pytest.approx(slope.numpy(), rel=1e-4, abs=1e-6)


def test_blocks_straddle_no_two_trials():
    trial = np.repeat([0, 1, 2], [25, 3, 10])

    assert block_starts(trial, 10) == [0, 10, 25, 28]
    assert block_starts(np.zeros(25), 10) == [0, 10]
    assert block_starts(np.zeros(4), 10) == [0]


def test_a_lag_alone_is_taken_away(network, data):
    history, future, known = data
    got = lag_strengths(network, history, future, known, LAGS)
    forecast = network(history[None])
    log = forecast.log_variance
    weight = known if log is None else known * torch.exp(-log[0])
    changed = history.clone()
    changed[:, 4, 1] = 0
    values = network.values(history[None])
    values[:, :, 4] = network.values(changed[None])[:, :, 4]
    reduced = network.head(
        network.pool(values, network.signed_attention()), network.own(history[None, :, :N])
    )[0]
    wanted = (weight * (forecast.mean[0] - reduced) ** 2).sum(0) / known.sum(0)

    assert got[:, 4, 1] == pytest.approx(wanted.numpy(), rel=1e-4, abs=1e-6)


def test_a_target_is_no_source_of_itself(network, data):
    history, future, known = data
    got = knock_out(network, mean_values(network, history), history, future, known, range(0, 30, 10), LAGS)

    assert np.abs(got.blocks[:, :, range(N), range(N)]).max() < 1e-9


def test_the_gradient_is_that_of_a_small_step(network, data):
    history = data[0][:6]
    got = readouts.gradient(network, history, LAGS)
    step, expected = 1e-2, np.zeros((N, M))
    double = KnockoutAttention(network.design, [0]).double()
    double.load_state_dict(network.state_dict())
    z = history.double()
    for j in range(M):
        for lag in range(LAGS):
            up, down = z.clone(), z.clone()
            up[:, j, lag] += step
            down[:, j, lag] -= step
            with torch.no_grad():
                slope = (double(up[None]).mean[0] - double(down[None]).mean[0]) / (2 * step)
            expected[:, j] += slope.abs().mean(0).numpy()
    off = ~np.eye(N, M, dtype=bool)

    assert got[off] == pytest.approx(expected[off], rel=2e-3, abs=1e-4)


def test_members_side_by_side_are_the_members_alone():
    design = Design(N, M, LAGS, True, True, hidden=8)
    both = KnockoutAttention(design, [3, 4])
    history = torch.randn(2, 5, M, LAGS, generator=torch.Generator().manual_seed(0))
    together = both(history)
    for index, seed in enumerate((3, 4)):
        alone = KnockoutAttention(design, [seed])(history[index : index + 1])
        taken = one_member(both, index)(history[index : index + 1])
        torch.testing.assert_close(alone.mean[0], together.mean[index])
        torch.testing.assert_close(taken.mean, alone.mean)


def test_permuted_sources_give_the_permuted_forecast():
    network = KnockoutAttention(Design(4, 4, LAGS, True, True), [5])
    history = torch.randn(1, 6, 4, LAGS, generator=torch.Generator().manual_seed(0))
    order = [2, 0, 3, 1]

    torch.testing.assert_close(network(history[:, :, order]).mean, network(history).mean[:, :, order])
