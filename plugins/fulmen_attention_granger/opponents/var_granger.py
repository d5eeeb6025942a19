"""Conditional Granger causality in a vector autoregression: the classical test, fast.

Source: Granger, Econometrica 37:424 (1969), given all other variables as in Geweke, JASA 79:907 (1984);
lags by Schwarz, Annals of Statistics 6:461 (1978), as in the MVGC toolbox (Barnett and Seth, 2014).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from scipy import special
from scipy.linalg import cho_factor, cho_solve

from fulmen_attention_granger.opponents.lagged import lagged, standardised
from fulmen_attention_granger.opponents.result import OpponentResult

MAX_LAGS = 10
ROWS_PER_COEFFICIENT = 1.5  # a longer autoregression than this allows is not tried: it would only fit noise
TEST = "F test of all lags of the source, given the pasts of all other variables (linear)"


def var_granger(
    trials: Sequence[np.ndarray], lags: int | None = None, max_lags: int = MAX_LAGS
) -> OpponentResult:
    """Test each pair in one regression of everything on the pasts of everything.

    The F statistic of leaving out a source is that of its coefficients being 0 together (Wald's and
    Fisher's are equal in a linear regression), so that no smaller model is fitted: one inverse for all
    pairs.

    Args:
        trials: Each (time, variables), NaN where missing; what becomes of gaps, `lagged` says.
        lags: How many; None: Schwarz's criterion chooses.
        max_lags: At most this many, where it chooses.

    Returns:
        Scores are F statistics, p values those of the F distribution.

    Raises:
        ValueError: there are too few whole rows for one lag.
    """
    start = time.process_time()
    scaled = standardised(trials)
    lags = schwarz_lags(scaled, max_lags) if lags is None else lags
    past, now, note = lagged(scaled, lags)
    rows, _, variables = past.shape
    if rows <= lags * variables + 1:
        raise ValueError(
            f"{rows} rows without gaps for {lags * variables + 1} coefficients: expected more rows than that"
        )
    x = np.concatenate([past.reshape(rows, -1), np.ones((rows, 1))], axis=1)
    # Variables that repeat each other leave no inverse; the pseudo-inverse shares their effect between them.
    inverse = np.linalg.pinv(x.T @ x, hermitian=True)
    coefficients = inverse @ (x.T @ now)
    free = rows - x.shape[1]
    variance = ((now - x @ coefficients) ** 2).sum(axis=0) / free
    f = np.zeros((variables, variables))
    for source in range(variables):
        own = np.arange(lags) * variables + source
        effect = coefficients[own]
        precision = np.linalg.pinv(inverse[np.ix_(own, own)], hermitian=True)
        f[:, source] = np.einsum("li,lm,mi->i", effect, precision, effect) / (lags * variance)
    p = special.fdtrc(lags, free, np.maximum(f, 0.0))
    np.fill_diagonal(f, 0.0)
    np.fill_diagonal(p, 1.0)
    return OpponentResult("var_granger", TEST, f, p, time.process_time() - start, lags, note)


def schwarz_lags(trials: Sequence[np.ndarray], max_lags: int = MAX_LAGS) -> int:
    """Choose the number of lags of a vector autoregression by Schwarz's criterion (BIC).

    All numbers of lags are compared on the same rows.

    Args:
        trials: Each (time, variables).
        max_lags: The largest that is tried, if there are rows enough.

    Returns:
        1 to ``max_lags``.
    """
    best, chosen = np.inf, 1
    variables = trials[0].shape[1]
    whole = lagged(trials, 1).now.shape[0]
    largest = max(1, min(max_lags, int((whole / ROWS_PER_COEFFICIENT - 1) // variables)))
    past, now, _ = lagged(trials, largest)
    rows = len(now)
    x = np.concatenate([np.ones((rows, 1)), past.reshape(rows, -1)], axis=1)
    gram, cross = x.T @ x, x.T @ now
    for lags in range(1, largest + 1):
        size = 1 + lags * variables
        if size * ROWS_PER_COEFFICIENT > rows:
            break
        try:
            coefficients = cho_solve(cho_factor(gram[:size, :size]), cross[:size])
        except np.linalg.LinAlgError:  # columns repeat each other: more lags cannot help
            break
        residuals = now - x[:, :size] @ coefficients
        _, log_volume = np.linalg.slogdet(residuals.T @ residuals / rows)
        criterion = rows * log_volume + np.log(rows) * variables * size
        if criterion < best:
            best, chosen = criterion, lags
    return chosen
