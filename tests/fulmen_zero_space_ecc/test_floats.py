"""Numbers that stay floating-point: one wrong bit corrected, two detected, at no byte or at some."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fulmen_zero_space_ecc.code import floats

METHODS = pytest.mark.parametrize("method", floats.METHODS)


def numbers(count: int = 200, seed: int = 0) -> np.ndarray:
    """Of all magnitudes, with zeros, largest and smallest among them."""
    rng = np.random.default_rng(seed)
    made = (rng.standard_normal(count) * 10.0 ** rng.integers(-30, 30, count)).astype(np.float32)
    made[:4] = 0, np.finfo(np.float32).max, np.finfo(np.float32).tiny, -1
    return made


def encoded(method: str) -> tuple[np.ndarray, np.ndarray]:
    made = numbers()
    return made, floats.encode_(made, method)


@METHODS
def test_what_it_costs(method):
    exact, (made, spare) = numbers(), encoded(method)

    assert (
        spare.size
        == floats.spare_bytes(exact.size, method)
        == {"mantissa": 0, "secded72": 100, "triple": 1600}[method]
    )
    change = np.abs(made.astype(np.float64) - exact) / np.maximum(np.abs(exact), np.finfo(np.float32).tiny)
    assert change.max() <= (2e-6 if method == "mantissa" else 0)


@METHODS
def test_every_single_wrong_bit_is_corrected(method):
    made, spare = encoded(method)
    for word, bit in itertools.product((0, 1, 57, 99), range(64)):
        faulty, beside = made.copy(), spare.copy()
        faulty.view(np.uint64)[word] ^= np.uint64(1 << bit)

        found = floats.scrub_(faulty, beside, method)

        assert (found.corrected, len(found.detected)) == (1, 0)
        assert faulty.tobytes() == made.tobytes()
        assert beside.tobytes() == spare.tobytes()


@pytest.mark.parametrize("method", ["secded72", "triple"])
def test_a_wrong_bit_beside_the_numbers_is_corrected_too(method):
    made, spare = encoded(method)
    for bit in range(0, 8 * spare.size, 7):
        faulty, beside = made.copy(), spare.copy()
        beside[bit // 8] ^= 1 << bit % 8
        assert floats.scrub_(faulty, beside, method).corrected == 1
        assert beside.tobytes() == spare.tobytes()


@pytest.mark.parametrize("method", ["mantissa", "secded72"])
def test_every_pair_of_wrong_bits_is_detected(method):
    made, spare = encoded(method)
    for one, other in itertools.combinations(range(64), 2):
        faulty = made.copy()
        faulty.view(np.uint64)[57] ^= np.uint64(1 << one | 1 << other)
        stood = faulty.copy()

        found = floats.scrub_(faulty, spare.copy(), method)

        assert (found.corrected, found.detected.tolist()) == (0, [57])
        assert faulty.tobytes() == stood.tobytes()


def test_a_vote_corrects_whatever_is_wrong_in_one_copy():
    made, spare = encoded("triple")
    faulty = made.copy()
    faulty.view(np.uint64)[:] ^= np.uint64(0xFFFF)

    assert floats.scrub_(faulty, spare, "triple").corrected == 16 * 100
    assert faulty.tobytes() == made.tobytes()


@METHODS
def test_encoding_again_changes_nothing(method):
    made, spare = encoded(method)
    before = made.copy()

    assert floats.encode_(made, method).tobytes() == spare.tobytes()
    assert made.tobytes() == before.tobytes()


@pytest.mark.parametrize("made", [np.zeros(3, np.float32), np.zeros(4), np.zeros((2, 2), np.float32)])
def test_what_is_no_buffer_of_floats_is_refused(made):
    with pytest.raises(ValueError, match="float32, 1-D, of even length is expected"):
        floats.encode_(made)
