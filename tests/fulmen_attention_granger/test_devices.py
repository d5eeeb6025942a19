"""A GPU is given the same draws as a CPU and finds the same graph."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fulmen_attention_granger import granger_graph, paper_training, replay, training
from fulmen_attention_granger.member import (
    Members,
    cut_windows,
    plain_members,
    reading_of,
    run_members,
    trained,
)
from fulmen_attention_granger.paper_training import train_by_protocol

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]


def chain(rows: int = 400) -> np.ndarray:
    """Four series, 0 -> 1 -> 2, and one apart."""
    x = np.random.default_rng(0).standard_normal((rows, 4))
    for t in range(1, rows):
        x[t, 1] += 0.9 * x[t - 1, 0]
        x[t, 2] += np.abs(x[t - 1, 1])
    return (x - x.mean(0)) / x.std(0)


def asked(variance: bool, phantoms: int = 0) -> Members:
    return Members(2, variance, variance, 0, [0, 1], 2, 0.5, phantoms, effort=0.2)


@pytest.mark.parametrize("variance", [False, True], ids=["linear", "heteroscedastic"])
def test_every_read_out_is_that_of_the_cpu(variance):
    series = chain()
    series[np.random.default_rng(1).random(series.shape) < 0.05] = np.nan
    item = plain_members(asked(variance, phantoms=1))
    cpu, gpu = ([reading_of(one) for one in run_members([series], item, where)] for where in ("cpu", "cuda"))

    for one, other in zip(cpu, gpu, strict=True):
        for name in ("attention", "weighted", "refitted", "gradient", "lag_strength", "residual_correlation"):
            first, second = getattr(one, name), getattr(other, name)
            assert second == pytest.approx(first, rel=0.05, abs=0.02 * np.abs(first).max()), name
        first, second = one.knockouts.blocks.mean(0), other.knockouts.blocks.mean(0)
        assert second == pytest.approx(first, rel=0.05, abs=0.02 * np.abs(first).max())
        assert np.array_equal(one.rows, other.rows)


def test_replayed_steps_are_those_done_one_by_one(monkeypatch):
    members = asked(variance=True)
    cut, parts = cut_windows([chain()], members)
    cut = cut.to(torch.device("cuda"))
    replaying, losses = trained(cut, parts, members)
    monkeypatch.setattr(training, "replayed", lambda step, device: step)
    stepping, expected = trained(cut, parts, members)

    assert losses == pytest.approx(expected, rel=1e-3)
    for (name, one), other in zip(
        replaying.state_dict().items(), stepping.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-3, msg=name)


def test_a_smaller_batch_is_stepped_without_the_recording():
    weight = torch.nn.Parameter(torch.zeros(3, device="cuda"))
    optimiser = replay.adamw([weight], 0.1, weight.device)

    def step(x: torch.Tensor) -> torch.Tensor:
        optimiser.zero_grad()
        loss = (weight * x - 1).square().mean()
        loss.backward()
        optimiser.step()
        return loss.detach()

    one_step = replay.replayed(step, weight.device)
    losses = [float(one_step(torch.ones(4 if index % 5 else 2, 3, device="cuda"))) for index in range(40)]
    replay.set_rate(optimiser, 0.0)
    still = [float(one_step(torch.ones(4, 3, device="cuda"))) for _ in range(2)]

    assert losses[-1] < 0.1 * losses[0]
    assert still[0] == still[1]


def test_the_papers_seeds_train_side_by_side(monkeypatch):
    monkeypatch.setattr(paper_training, "EPOCHS", 12)
    monkeypatch.setattr(paper_training, "RATE", 3e-3)
    result = train_by_protocol(chain(500), math.inf, seeds=(10, 11, 12), device="cuda")

    assert len(result.epochs) == 3
    assert all(result.finished)
    assert result.attention[1].argmax() == 0


def test_the_graph_of_arrays_is_found_on_a_gpu():
    report = granger_graph(chain(), device="cuda", lags=2, member="nonlinear", significance=False, effort=0.5)
    ranked = report.tables["edges"]

    assert {(row.source, row.target) for row in ranked[:2].itertuples()} == {("x0", "x1"), ("x1", "x2")}
