"""What a neuroscientist would do first: regress how a neuron moves below threshold on the others' spikes.

A spike reaches its targets in the next step and moves them by a constant, whatever their size. So spikes
are detected, and each neuron's next value between its own spikes is regressed on its own last two values
and on the spikes of all others in the last two steps. A neuron near its threshold moves erratically: each
step is weighted by the inverse of the variance that its own last value predicts.

A recording that shows spikes but not what happens between them (a calcium dye) leaves only the spikes to
be explained: see spike_trains.py.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from scipy import special

from fulmen_attention_granger.opponents.result import OpponentResult
from fulmen_attention_granger.opponents.spike_events import detect, peaks_are_clipped
from fulmen_attention_granger.opponents.spike_trains import SPANS, trains_on_trains

STEPS = 2  # of the past, own and others'
ROUNDS = 3  # of weighting
RIDGE = 1e-9  # of the mean square of a column: a neuron that never fires has no column at all
FEWEST_SPIKES = 3
FLOOR = 1e-3  # of squared residuals, in variances of the quiet potential: tiny ones are luck
TEST = "test of a source's spikes given all others' spikes and the target's own past (weighted, linear)"


def spike_regression(trials: Sequence[np.ndarray]) -> OpponentResult:
    """Score each pair by the t statistic of the source's spikes in the target's regression.

    Args:
        trials: Each (time, variables), membrane potentials, fluorescence or anything with events; NaN
            where missing: steps in a gap of the target are left out, a gap of a source counts as no spike.

    Returns:
        The larger of two absolute t values, its p value Bonferroni's for two; where potentials are not
        seen, the F statistic of ``spike_trains``. A source that fires fewer than three times has score 0
        and p value 1, and so has a target without enough quiet steps.
    """
    start = time.process_time()
    clipped = peaks_are_clipped(trials)
    fired_in = [detect(trial, clipped) for trial in trials]
    spikes = np.concatenate([_past_spikes(fired) for fired in fired_in])
    variables = len(clipped)
    score, p = np.zeros((variables, variables)), np.ones((variables, variables))
    for target in np.flatnonzero(clipped):
        own = np.concatenate([_past_values(trial[:, target]) for trial in trials])
        quiet = np.concatenate([_quiet(fired[:, target]) for fired in fired_in])
        rows = quiet & np.isfinite(own).all(axis=1)
        if rows.sum() < 2 * STEPS * variables:
            continue
        scale = own[rows].mean(), own[rows].std() + 1e-12
        others = np.delete(np.arange(variables), target)
        fired = spikes[rows][:, :, others].reshape(rows.sum(), -1)
        used = fired.sum(axis=0) >= FEWEST_SPIKES
        t = np.zeros(fired.shape[1])
        t[used], free = _weighted_t((own[rows] - scale[0]) / scale[1], fired[:, used])
        strongest = np.abs(t.reshape(STEPS, -1)).max(axis=0)
        score[target, others] = strongest
        p[target, others] = np.minimum(1.0, STEPS * 2 * special.stdtr(free, -strongest))
    unseen = np.flatnonzero(~clipped)
    if len(unseen):
        score[unseen], p[unseen] = trains_on_trains(fired_in, unseen)
    lags = STEPS if clipped.all() else SPANS[-1]
    return OpponentResult("spike_regression", TEST, score, p, time.process_time() - start, lags)


def _past_spikes(fired: np.ndarray) -> np.ndarray:
    """Return who fired one and two steps before each row: float64, (rows, steps, variables)."""
    return np.stack([fired[STEPS - lag : len(fired) - lag] for lag in range(1, STEPS + 1)], 1).astype(float)


def _past_values(values: np.ndarray) -> np.ndarray:
    """Return a neuron's value and its two last ones, (rows, 3), a row for each step after the second."""
    return np.stack([values[STEPS - lag : len(values) - lag] for lag in range(STEPS + 1)], axis=1)


def _quiet(fired: np.ndarray) -> np.ndarray:
    """Return the rows in which the neuron did not fire, nor in the two steps before."""
    quiet: np.ndarray = ~np.any([fired[STEPS - lag : len(fired) - lag] for lag in range(STEPS + 1)], axis=0)
    return quiet


def _weighted_t(own: np.ndarray, fired: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the t value of each column of ``fired``, and the degrees of freedom."""
    now, last, before = own.T
    past = np.stack([np.ones(len(now)), last, before, last**2, before**2, last * before], axis=1)
    x = np.concatenate([past, fired], axis=1)
    weight = np.ones(len(now))
    for _ in range(ROUNDS):
        weighted = x * weight[:, None]
        gram = weighted.T @ x
        gram[np.diag_indices_from(gram)] *= 1.0 + RIDGE
        inverse = np.linalg.pinv(gram, hermitian=True)
        coefficients = inverse @ (weighted.T @ now)
        residual = now - x @ coefficients
        used = weight
        # Of log variance, a quadratic in the own last value: it rises towards the threshold.
        curve = np.polynomial.Polynomial.fit(last, np.log(residual**2 + FLOOR), 2)
        weight = np.exp(-np.clip(curve(last), -12.0, 6.0))
    free = len(now) - x.shape[1]
    variance = (used * residual**2).sum() / free
    t = coefficients / np.sqrt(np.maximum(np.diag(inverse) * variance, 1e-300))
    return t[past.shape[1] :], free
