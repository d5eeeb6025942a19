"""No window looks across trials, into its own future, or from a held-out stretch into training."""

from __future__ import annotations

import numpy as np
import pytest

from fulmen_attention_granger.windows import canonical_order, folds, standardised, windows


def ramps(*lengths: int) -> list[np.ndarray]:
    """Trials whose values tell where they are from: 100 trial + row, and minus that."""
    return [np.stack([100.0 * k + np.arange(n), -100.0 * k - np.arange(n)], 1) for k, n in enumerate(lengths)]


def test_a_history_holds_the_rows_before_its_future_newest_first():
    cut = windows(ramps(6, 5), lags=3)

    assert len(cut) == 3 + 2
    for history, future, trial, row in zip(cut.history, cut.future, cut.trial, cut.row, strict=True):
        assert future[0] == 100 * trial + row
        assert history[0].tolist() == [100 * trial + row - lag for lag in (1, 2, 3)]
        assert history[1].tolist() == [-value for value in history[0].tolist()]


def test_a_trial_that_is_too_short_gives_none():
    assert len(windows(ramps(6, 3), lags=3)) == 3


def test_missing_values_are_zero_and_said_to_be_missing():
    (trial,) = ramps(6)
    trial[2, 0] = np.nan
    cut = windows([trial], lags=2)

    assert cut.history.shape == (4, 2, 4)
    assert cut.known[:, 0].tolist() == [0, 1, 1, 1]
    assert cut.future[0, 0] == 0
    # The windows that end in rows 3 and 4 have the lost value at lag 1 and at lag 2.
    assert cut.history[1, 0].tolist() == [0, 1, 0, 1]
    assert cut.history[2, 0].tolist() == [3, 0, 1, 0]
    assert cut.history[1:3, 1, 2:].min() == 1


@pytest.mark.parametrize(("count", "number", "share"), [(103, 5, None), (1000, 3, 0.1), (40, 2, 0.3)])
def test_what_is_held_out_is_apart_from_what_is_trained_on(count, number, share):
    for fold in folds(count, number, gap=4, share=share):
        assert len(fold.held_out) == pytest.approx(count * (share or 1 / number), abs=1)
        assert np.abs(fold.train[:, None] - fold.held_out).min() > 4


def test_without_a_share_all_time_is_held_out_once():
    held_out = np.concatenate([fold.held_out for fold in folds(103, 5, gap=2)])

    assert held_out.tolist() == list(range(103))


def test_another_unit_gives_the_same_numbers():
    x = np.random.default_rng(0).gamma(2.0, size=(500, 3))
    millivolts = x * [1000, 1e-9, 3.7] + [5, 0, -70]

    assert np.array_equal(standardised([x])[0], standardised([millivolts])[0])


def test_the_canonical_order_does_not_depend_on_the_given_one():
    x = standardised([np.random.default_rng(0).gamma(2.0, size=(500, 5))])[0]
    shuffled = x[:, [3, 0, 4, 1, 2]]

    assert np.array_equal(x[:, canonical_order([x])], shuffled[:, canonical_order([shuffled])])
