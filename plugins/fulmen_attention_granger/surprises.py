"""Whether a source matters by its value or by its surprises: what tells a messenger from a cause.

Two variables with a hidden parent hear of it at different times. The first then tells the second something,
and every Granger test finds an edge; but what it tells is its surprise, ``x_j(t - d) - phi x_j(t - d - 1)``,
in which the parent's news is, while a cause matters by its value. In a linear regression of the target on
the pasts of all, the messenger's next older lag then has the opposite sign. A cause has one lag, or several
of one sign; where its effect is a difference by nature, it is flagged in vain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fulmen_attention_granger.windows import windows

PEAK = 3.0  # t value of the strongest lag from which on its neighbours are looked at
ROWS_PER_FEATURE = 3  # with fewer rows nothing is said


class Surprises(NamedTuple):
    """t values of ordinary least squares, float64 (targets, sources), 0 on the diagonal.

    Attributes:
        peak: The largest over the lags, absolute.
        opposite: That of the lag after it, positive where its sign is opposite; 0 where ``peak`` is small.
    """

    peak: np.ndarray
    opposite: np.ndarray


def surprises(trials: Sequence[np.ndarray], lags: int) -> Surprises:
    """Regress each variable on the pasts of all.

    Args:
        trials: z-scores, each (time, variables), NaN = missing (counts as the mean).
        lags: Rows of history; one more than any effect needs.

    Returns:
        Zeros where the rows are too few for so many coefficients.
    """
    n = trials[0].shape[1]
    nothing = Surprises(np.zeros((n, n)), np.zeros((n, n)))
    if sum(max(0, len(trial) - lags) for trial in trials) < ROWS_PER_FEATURE * n * lags:
        return nothing
    cut = windows(trials, lags)
    x = cut.history.numpy()[..., :lags].reshape(len(cut), -1).astype(np.float64)
    y, known = cut.future.numpy().astype(np.float64), cut.known.numpy()
    inverse = np.linalg.pinv(x.T @ x, hermitian=True)
    slopes = inverse @ (x.T @ (known * y))
    free = np.maximum(1, known.sum(0) - n * lags)
    variance = (known * (y - x @ slopes) ** 2).sum(0) / free
    error = np.sqrt(np.maximum(inverse.diagonal()[:, None] * variance, 1e-300))
    t = (slopes / error).reshape(n, lags, n).transpose(2, 0, 1)  # targets, sources, lags
    strongest = np.abs(t).argmax(2)[..., None]
    at_peak = np.take_along_axis(t, strongest, 2)[..., 0]
    padded = np.concatenate([t, np.zeros((n, n, 1))], 2)
    after = np.take_along_axis(padded, strongest + 1, 2)[..., 0]
    peak, opposite = np.abs(at_peak), np.where(np.abs(at_peak) > PEAK, -np.sign(at_peak) * after, 0.0)
    np.fill_diagonal(peak, 0.0)
    np.fill_diagonal(opposite, 0.0)
    return Surprises(peak, opposite)
