"""PCMCI with three tests of conditional independence, through tigramite.

Source: Runge et al., "Detecting and quantifying causal associations in large nonlinear time series
datasets", Science Advances 5:eaau4996 (2019); https://github.com/jakobrunge/tigramite (GPL-3, an extra).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from fulmen_attention_granger.opponents.result import OpponentResult
from fulmen_attention_granger.recordings import RecordingError

TESTS = {
    "pcmci_parcorr": "partial correlation given the parents found first (linear)",
    "pcmci_robust_parcorr": "partial correlation of normal scores given the parents found first (monotone)",
    "pcmci_gpdc": "distance correlation of Gaussian-process residuals given the first parents (nonlinear)",
}
ALPHA = 0.2  # of the first stage, tigramite's default: generous, for a missed parent biases the second
MISSING = 1.2345678912345e77  # tigramite wants a number in place of NaN: none that anybody records


def pcmci(method: str, trials: Sequence[np.ndarray], lags: int = 3) -> OpponentResult:
    """Run PCMCI with one of three tests.

    Args:
        method: A key of ``TESTS``.
        trials: Each (time, variables), NaN where missing: tigramite leaves out rows that touch a gap.
        lags: tau_max.

    Returns:
        A source's score is the largest absolute test statistic over the lags; its p value is the
        smallest, times the number of lags (Bonferroni).

    Raises:
        RecordingError: tigramite, or for GPDC scikit-learn or dcor, is not installed.
    """
    try:
        from tigramite.data_processing import DataFrame
        from tigramite.pcmci import PCMCI

        test = _test(method)
    except ImportError as error:
        missing = (error.name or "one of them").partition(".")[0]
        raise RecordingError(
            f"{method} needs tigramite, scikit-learn and dcor ({missing} is not installed): "
            "pip install 'fulmen[attention_granger]'"
        ) from error
    start = time.process_time()
    filled = {number: np.nan_to_num(trial, nan=MISSING) for number, trial in enumerate(trials)}
    if len(trials) == 1:
        frame = DataFrame(filled[0], missing_flag=MISSING)
    else:
        frame = DataFrame(filled, analysis_mode="multiple", missing_flag=MISSING)
    found = PCMCI(frame, test, verbosity=0).run_pcmci(tau_max=lags, pc_alpha=ALPHA)
    # tigramite's arrays are (source, target, lag), lag 0 first; the latter is not a cause here.
    score = np.abs(found["val_matrix"][:, :, 1:]).max(axis=2).T
    p = np.minimum(1.0, lags * found["p_matrix"][:, :, 1:].min(axis=2).T)
    np.fill_diagonal(score, 0.0)
    np.fill_diagonal(p, 1.0)
    return OpponentResult(method, TESTS[method], score, p, time.process_time() - start, lags)


def _test(method: str) -> Any:
    match method:
        case "pcmci_parcorr":
            from tigramite.independence_tests.parcorr import ParCorr

            return ParCorr()
        case "pcmci_robust_parcorr":
            from tigramite.independence_tests.robust_parcorr import RobustParCorr

            return RobustParCorr()
        case "pcmci_gpdc":
            import dcor  # noqa: F401  # tigramite only warns where it is missing, and fails much later
            from tigramite.independence_tests.gpdc import GPDC

            return GPDC()
    raise ValueError(f"no test of PCMCI is called {method!r}: expected one of {', '.join(TESTS)}")
