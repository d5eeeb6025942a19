"""p and q values are those of their definitions, and control what they promise where they can."""

from __future__ import annotations

import numpy as np
import pytest

from fulmen_attention_granger.false_discoveries import discoveries
from fulmen_attention_granger.phantoms import phantom_copies


@pytest.fixture
def scores():
    generator = np.random.default_rng(0)
    real = np.round(generator.gamma(1.0, size=(6, 6)) + 4 * (generator.random((6, 6)) < 0.3), 1)  # with ties
    return real, np.round(generator.gamma(1.0, size=(6, 6)), 1)


def test_p_values_count_the_phantoms_at_least_as_high(scores):
    real, null = scores
    found = discoveries(real, null, 0.2)
    for target, source in np.ndindex(real.shape):
        if target != source:
            expected = (1 + (null >= real[target, source]).sum()) / (1 + null.size)
            assert found.p_values[target, source] == pytest.approx(expected)


def test_q_values_are_the_smallest_rate_at_which_a_pair_is_chosen(scores):
    real, null = scores
    found = discoveries(real, null, 0.2)
    mask = ~np.eye(6, dtype=bool)
    thresholds = real[mask]
    rates = {
        t: min(1.0, mask.sum() * (1 + (null >= t).sum()) / (1 + null.size) / (thresholds >= t).sum())
        for t in thresholds
    }
    for target, source in np.argwhere(mask):
        expected = min(rate for t, rate in rates.items() if t <= real[target, source])
        assert found.q_values[target, source] == pytest.approx(expected)
    assert np.array_equal(found.selected, (found.q_values <= 0.2) & mask)
    assert found.selected.any()


def test_without_edges_a_false_one_is_rare():
    """Exchangeable pairs and phantoms: the expected share of runs with a false edge is at most q."""
    generator = np.random.default_rng(1)
    runs = [
        discoveries(generator.gamma(1.0, size=(8, 8)), generator.gamma(1.0, size=(8, 8)), 0.1).selected.any()
        for _ in range(400)
    ]

    assert np.mean(runs) < 0.1


def test_phantoms_keep_their_common_and_lose_their_relation_to_the_present():
    trial = np.random.default_rng(0).standard_normal((400, 2))
    (copy,) = phantom_copies([trial], np.random.default_rng(1))
    (shift,) = np.flatnonzero((copy == trial[0]).all(1))

    assert 80 <= shift <= 320
    assert np.array_equal(np.roll(trial, shift, 0), copy)
