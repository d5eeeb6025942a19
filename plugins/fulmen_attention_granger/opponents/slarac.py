"""SLARAC: subsampled linear autoregressions, absolute coefficients.

Simple and hard to beat on standardised data: it won a track of the Causality for Climate competition.

Source: Weichwald et al., "Causal structure learning from time series: Large regression coefficients may
predict causal links better in practice than small p-values", PMLR 123:27 (2020), algorithm 1.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from fulmen_attention_granger.opponents.lagged import lagged, standardised
from fulmen_attention_granger.opponents.result import OpponentResult

DRAWS = 200
TEST = "none: mean absolute coefficient over linear regressions of random length on random rows"


def slarac(trials: Sequence[np.ndarray], lags: int = 3, draws: int = DRAWS, seed: int = 0) -> OpponentResult:
    """Average absolute coefficients of regressions with random numbers of lags on bootstrapped rows.

    Args:
        trials: Each (time, variables), NaN where missing; what becomes of gaps, `lagged` says.
        lags: At most so many; each draw takes 1 to this.
        draws: How many regressions.
        seed: Of the draws.

    Returns:
        A source's score is its largest mean coefficient over the lags. There are no p values.

    Raises:
        ValueError: there are fewer rows than coefficients of one lag.
    """
    start = time.process_time()
    past, now, note = lagged(standardised(trials), lags)
    rows, _, variables = past.shape
    if rows <= variables + 1:
        raise ValueError(
            f"{rows} rows without gaps for {variables + 1} coefficients: expected more than that"
        )
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, variables])))
    total = np.zeros((lags, variables, variables))  # lag, source, target
    sizes = np.unique(np.maximum(1, np.array([0.3, 0.5, 0.7, 0.9, 1.0]) * rows).astype(int))
    for _ in range(draws):
        used = int(generator.integers(1, lags + 1))
        size = int(max(generator.choice(sizes), min(rows, used * variables + 1)))
        chosen = generator.choice(rows, size, replace=True)
        x = np.concatenate([np.ones((size, 1)), past[chosen, :used].reshape(size, -1)], axis=1)
        coefficients = np.linalg.lstsq(x, now[chosen], rcond=None)[0][1:]
        total[:used] += np.abs(coefficients).reshape(used, variables, variables)
    score = total.max(axis=0).T / draws
    np.fill_diagonal(score, 0.0)
    return OpponentResult("slarac", TEST, score, None, time.process_time() - start, lags, note)
