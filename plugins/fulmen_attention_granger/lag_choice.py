"""How many lags: what a cross-validated ridge regression forecasts best with.

Features are each lag and its square, clipped at 3 deviations (a cheap stand-in for whatever nonlinear
dependence there is); the ridge is chosen too. Held-out loss is the mean over targets of the logarithm of
the squared error, so that no target outweighs the others. On Lorenz-96 (F = 40) it finds 1, where three
lags would cost .06 of AUROC; on a vector autoregression of 3 lags it finds 3, where Schwarz's criterion
finds 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fulmen_attention_granger.windows import folds, windows

RIDGES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
ENOUGH = 0.004  # less than half a percent of the squared error is not worth a lag
MOST_FEATURES = 1500  # beyond, a subset of the variables decides


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
    """
    longest = max(len(trial) for trial in trials)
    most = max(1, min(most, (longest - 1) // 4))
    variables = trials[0].shape[1]
    largest = max(2, MOST_FEATURES // (2 * most))
    if variables > largest:
        kept = np.linspace(0, variables - 1, largest).astype(np.int64)
        trials = [trial[:, kept] for trial in trials]
    cut = windows(trials, most)
    history = cut.history.numpy()[..., :most].astype(np.float64)
    future, known = cut.future.numpy().astype(np.float64), cut.known.numpy()
    losses = np.stack(
        [_losses(history[..., :lags], future, known, number, most) for lags in range(1, most + 1)]
    )
    mean = losses.mean(1)
    enough = mean - mean.min() <= ENOUGH
    return LagChoice(int(np.flatnonzero(enough)[0]) + 1, tuple(float(loss) for loss in mean))


def _losses(history: np.ndarray, future: np.ndarray, known: np.ndarray, number: int, gap: int) -> np.ndarray:
    """Return the held-out loss of each fold, with the ridge that is best over all of them."""
    flat = history.reshape(len(history), -1)
    features = np.concatenate([flat, np.minimum(flat**2, 9.0)], 1)
    features = (features - features.mean(0)) / (features.std(0) + 1e-9)
    losses = np.empty((number, len(RIDGES)))
    for index, fold in enumerate(folds(len(future), number, gap)):
        x, y = features[fold.train], future[fold.train]
        size, axes = np.linalg.eigh(x.T @ x / len(x))
        along = axes.T @ (x.T @ y / len(x))
        tested, there = features[fold.held_out] @ axes, known[fold.held_out]
        for column, ridge in enumerate(RIDGES):
            error = future[fold.held_out] - tested @ (along / (size + ridge)[:, None])
            mean = (there * error**2).sum(0) / np.maximum(there.sum(0), 1)
            losses[index, column] = np.log(mean + 1e-12).mean()
    best: np.ndarray = losses[:, losses.mean(0).argmin()]
    return best
