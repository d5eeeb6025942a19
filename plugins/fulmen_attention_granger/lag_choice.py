"""How many lags: what a sparse cross-validated regression forecasts best with.

Features are each lag and its square, clipped at 3 deviations (a cheap stand-in for whatever nonlinear
dependence there is). For each target sources join one after the other, its own past first, as long as
held-out forecasts get better: so an additional lag costs what it costs a sparse network, while a ridge over
all sources, which was used before, takes one lag too few where there is one driver of many (Lorenz-96,
F = 40: 1 lag by either, three would cost .06 of AUROC; a driver that acts after 3 steps: 3 lags, the ridge
found 2). Held-out loss is the mean over targets of the logarithm of the squared error, so that no target
outweighs the others.

Source: forward selection of groups, orthogonal matching pursuit (Pati et al., Asilomar 1993).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fulmen_attention_granger.windows import folds, windows

JOIN = 6  # sources that may join, at most
RIDGE = 1e-3  # of a feature's variance: features repeat each other
ENOUGH = 0.004  # less than half a percent of the squared error is not worth a lag
FEW = 5  # lags; so many may be asked for of short trials too, where fewer are tried
MOST_FEATURES = 1000  # beyond, a subset of the variables decides


@dataclass(frozen=True)
class LagChoice:
    """The number of lags chosen and, per number of lags from 1, the held-out loss."""

    lags: int
    losses: tuple[float, ...]


def choose_lags(trials: Sequence[np.ndarray], most: int = 5, number: int = 5) -> LagChoice:
    """Choose the fewest lags whose held-out loss is as good as the best, to ``ENOUGH``.

    No standard error is allowed for: one lag too few makes siblings of a common driver look like edges
    (false discoveries .75 in place of .35), one too many costs little.

    Args:
        trials: z-scores, each (time, variables), NaN = missing (counts as the mean).
        most: Lags to try at most.
        number: Folds.

    Raises:
        ValueError: more than ``FEW`` are asked for, and more than a quarter of the longest trial's rows.
    """
    longest = max(len(trial) for trial in trials)
    quarter = max(1, (longest - 1) // 4)
    if most > max(quarter, FEW):
        raise ValueError(
            f"max_lags is {most}, the longest trial has {longest} rows; expected at most a quarter of them, "
            f"{quarter}: ask for fewer"
        )
    most = min(most, quarter)
    variables = trials[0].shape[1]
    largest = max(2, MOST_FEATURES // (2 * most))
    if variables > largest:
        kept = np.linspace(0, variables - 1, largest).astype(np.int64)
        trials = [trial[:, kept] for trial in trials]
    cut = windows(trials, most)
    history = cut.history.numpy()[..., :most].astype(np.float64)
    features = np.stack([history, np.minimum(history**2, 9.0)], -1)  # windows, sources, lags, 2
    features = (features - features.mean(0)) / (features.std(0) + 1e-9)
    flat, future = features.reshape(len(cut), -1), cut.future.numpy().astype(np.float64)
    parts = [
        (_Moments(flat[fold.train], future[fold.train]), _Moments(flat[fold.held_out], future[fold.held_out]))
        for fold in folds(len(cut), number, most)
    ]
    losses = [_loss(parts, lags, most) for lags in range(1, most + 1)]
    enough = np.array(losses) - min(losses) <= ENOUGH
    return LagChoice(int(np.flatnonzero(enough)[0]) + 1, tuple(losses))


def lag_choice_memory(variables: int, samples: int, most: int) -> int:
    """Return roughly how many bytes ``choose_lags`` takes: five copies of its features, in float64."""
    return 5 * 8 * samples * min(2 * most * variables, max(4 * most, MOST_FEATURES))


class _Moments:
    """Mean products of features with each other, of features with the future, of the future with itself."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.xx, self.xy, self.yy = x.T @ x / len(x), x.T @ y / len(x), (y**2).mean(0)


def _loss(parts: Sequence[tuple[_Moments, _Moments]], lags: int, most: int) -> float:
    """Return the held-out loss, each target with as many sources as are best for it."""
    variables = parts[0][0].xy.shape[1]
    columns = np.arange(variables * most * 2).reshape(variables, most, 2)[:, :lags].reshape(variables, -1)
    joined = min(JOIN, variables - 1)
    errors = np.zeros((joined + 1, variables))
    for training, held_out in parts:
        blocks = training.xx[columns[:, :, None], columns[:, None]] + RIDGE * np.eye(columns.shape[1])
        inverse = np.linalg.inv(blocks)
        for target in range(variables):
            errors[:, target] += _path(training, held_out, columns, inverse, target, joined) / len(parts)
    return float(np.log(np.maximum(errors.min(0), 1e-12)).mean())


def _path(
    training: _Moments,
    held_out: _Moments,
    columns: np.ndarray,
    inverse: np.ndarray,
    target: int,
    joined: int,
) -> np.ndarray:
    """Return the held-out squared error with 0, 1, ... sources beside the target's own past."""
    chosen, errors = [target], np.empty(joined + 1)
    for step in range(joined + 1):
        c = columns[chosen].ravel()
        slopes = np.linalg.solve(training.xx[np.ix_(c, c)] + RIDGE * np.eye(len(c)), training.xy[c, target])
        explained = slopes @ (2 * held_out.xy[c, target] - held_out.xx[np.ix_(c, c)] @ slopes)
        errors[step] = held_out.yy[target] - explained
        left = (training.xy[:, target] - training.xx[:, c] @ slopes)[columns]
        gain = np.einsum("nk,nkl,nl->n", left, inverse, left)
        gain[chosen] = -1.0
        chosen.append(int(gain.argmax()))
    return errors
