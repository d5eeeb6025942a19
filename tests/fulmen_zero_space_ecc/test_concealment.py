"""Concealment of double errors: the posterior mean by brute force, and what it gains."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fulmen_zero_space_ecc import code
from fulmen_zero_space_ecc.campaign.faults import Independent, Target, draw, flip_, stream
from fulmen_zero_space_ecc.campaign.schemes import Arena, build
from fulmen_zero_space_ecc.code.concealment import log_priors, posterior_means

SIZE = 8192
SEGMENTS = ((0, 5000), (5000, 8100))


def arena(layout="paper", spread=14.0):
    """Return weights with the heavy tails that weights have, narrower in the first tensor."""
    generator = np.random.default_rng(0)
    where = np.arange(SIZE)
    held = where % 8 != 7 if layout == "paper" else where < SIZE // 8 * 7
    values = generator.laplace(0, np.where(where < 5000, spread / 2, spread)).round()
    values[8100:] = 0
    values = np.where(held, values.clip(-64, 63), values.clip(-127, 127)).astype(np.int8)
    return Arena(values.view(np.uint8), 1, layout, held, SEGMENTS)


def test_priors_are_the_smoothed_frequencies_of_trusted_weights():
    values = np.array([5, 5, 5, -128, 127, 9], np.int8).view(np.uint8)
    groups = np.array([0, 0, 0, 1, 1, 1])
    priors = np.exp(log_priors(values, groups, np.array([1, 1, 1, 1, 1, 0], bool)))

    assert priors.sum(axis=1) == pytest.approx([1, 1])
    assert priors[0].argmax() == 128 + 5
    assert priors[0, 128 + 4] == pytest.approx(priors[0, 128 + 6])
    assert priors[0, 128 + 4] > priors[0, 128 + 2] > priors[0, 128 + 1]
    assert priors[1, 0] == priors[1, 255] > priors[1, 128 + 9]


def test_posterior_means_agree_with_all_pairs_of_bits():
    generator = np.random.default_rng(1)
    weights = generator.integers(-64, 64, (5, 8)).astype(np.int8)
    payload = code.encode(weights).view(np.uint8)
    for row in range(5):
        flip_(payload[row], np.sort(generator.choice(64, 2, replace=False)))
    groups = generator.integers(0, 3, (5, 8))
    priors = np.log(generator.dirichlet(np.ones(256), 3))

    found = posterior_means(payload, groups, priors).view(np.int8)

    for row in range(5):
        explained, likely = [], []
        for pair in itertools.combinations(range(64), 2):
            tried = payload[row].copy()
            flip_(tried, np.array(pair))
            decoded, status = code.decode(tried[None].view(np.int8))
            if status[0] == 0:
                explained.append(decoded[0].astype(float))
                likely.append(
                    np.exp(sum(priors[g, 128 + int(v)] for g, v in zip(groups[row], decoded[0], strict=True)))
                )
        assert len(explained) == 32
        assert np.abs(np.average(explained, axis=0, weights=likely) - found[row]).max() <= 0.5 + 1e-9


def squared_error(scheme, rate, trials=20):
    target, total, count = Target(((0, SIZE),)), 0.0, 0
    for trial in range(trials):
        faults = draw(Independent(), target, rate, stream(0, rate, trial))
        memory = scheme.stored.copy()
        flip_(memory, faults.positions)
        decoded = scheme.decode(memory)
        lost = scheme.weight_bytes(decoded.detected)
        error = decoded.values[lost].view(np.int8).astype(float) - scheme.clean[lost].view(np.int8)
        total, count = total + float((error**2).sum()), count + lost.size
    return total / count


@pytest.mark.parametrize("layout", ["interleaved", "paper"])
@pytest.mark.parametrize("rate", [3e-3, 1e-2])
def test_it_cuts_the_squared_error_and_zeroing_does_not(layout, rate):
    left, meant, zeroed, golden = (
        squared_error(build(f"in_place{policy}", arena(layout)), rate)
        for policy in ("", "+mmse", "+zero", "+golden")
    )
    assert golden == 0
    assert meant < 0.75 * left
    assert zeroed > meant


def test_concealed_weights_can_be_stored_again():
    """They stay in the box, so that they can be encoded."""
    scheme = build("in_place+mmse", arena())
    memory = scheme.stored.copy()
    flip_(memory, draw(Independent(), Target(((0, SIZE),)), 0.02, stream(3)).positions)
    values = scheme.decode(memory).values.view(np.int8)
    held = values[scheme.arena.held]
    assert held.min() >= -64
    assert held.max() <= 63
