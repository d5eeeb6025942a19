import numpy as np
import pytest

from fulmen_attention_granger.time_varying import smoothed

ROWS = np.array([[0, 0, 10], [0, 10, 20], [0, 20, 30], [0, 30, 40], [1, 0, 10], [1, 10, 20]])
SERIES = np.random.default_rng(0).normal(size=(6, 3, 3))
PHANTOMS = np.random.default_rng(1).normal(size=(6, 3, 40))


def test_trials_are_smoothed_apart():
    other = SERIES.copy()
    other[4:] = 100.0

    assert np.array_equal(smoothed(SERIES, ROWS).strength[:4], smoothed(other, ROWS).strength[:4])
    assert smoothed(other, ROWS).strength[4:] == pytest.approx(100.0)
    assert smoothed(SERIES, ROWS).envelope is None


def test_the_envelope_of_phantoms_that_were_read_in_the_same_blocks_is_their_quantile():
    found = smoothed(SERIES, ROWS, PHANTOMS, ROWS)

    null = smoothed(PHANTOMS, ROWS).strength
    assert np.array_equal(found.envelope, np.quantile(null.reshape(6, -1), 0.95, axis=1))


def test_the_envelope_of_phantoms_that_were_read_in_fewer_blocks_is_interpolated():
    fewer = np.array([[0, 0, 20], [0, 20, 40]])
    null = np.array([np.full((3, 40), 1.0), np.full((3, 40), 3.0)])

    found = smoothed(SERIES, ROWS, null, fewer, width=0.01)

    assert found.envelope[:4] == pytest.approx([1.0, 1.5, 2.5, 3.0])
    assert np.isnan(found.envelope[4:]).all()  # none was read there
