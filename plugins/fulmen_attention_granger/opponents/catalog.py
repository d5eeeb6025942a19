"""The opponents by name. Those that answer to nonlinear systems are marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fulmen_attention_granger.opponents.result import OpponentResult
from fulmen_attention_granger.opponents.slarac import slarac
from fulmen_attention_granger.opponents.spike_regression import spike_regression
from fulmen_attention_granger.opponents.tigramite_tests import pcmci
from fulmen_attention_granger.opponents.var_granger import var_granger

GPDC_VARIABLES = 8  # more take hours


class Opponent(NamedTuple):
    """A method: how it is called, what it is for, and whether it needs the extra ``attention_granger``.

    ``run`` takes trials and the number of lags; None leaves that to the method.
    """

    run: Callable[[Sequence[np.ndarray], int | None], OpponentResult]
    nonlinear: bool
    extra: bool
    most_variables: int | None = None


OPPONENTS = {
    "var_granger": Opponent(lambda trials, lags: var_granger(trials, lags), nonlinear=False, extra=False),
    "spike_regression": Opponent(lambda trials, lags: spike_regression(trials), nonlinear=True, extra=False),
    "slarac": Opponent(lambda trials, lags: slarac(trials, lags or 3), nonlinear=False, extra=False),
    "pcmci_parcorr": Opponent(
        lambda trials, lags: pcmci("pcmci_parcorr", trials, lags or 3), nonlinear=False, extra=True
    ),
    "pcmci_robust_parcorr": Opponent(
        lambda trials, lags: pcmci("pcmci_robust_parcorr", trials, lags or 3), nonlinear=False, extra=True
    ),
    "pcmci_gpdc": Opponent(
        lambda trials, lags: pcmci("pcmci_gpdc", trials, lags or 3),
        nonlinear=True,
        extra=True,
        most_variables=GPDC_VARIABLES,
    ),
}


def run(name: str, trials: Sequence[np.ndarray], lags: int | None = None) -> OpponentResult:
    """Run an opponent here and now.

    Args:
        name: One of ``OPPONENTS``.
        trials: Each (time, variables), NaN where missing.
        lags: How many it looks at; None: Schwarz's criterion for ``var_granger``, 3 for the others, 2
            always for ``spike_regression``.

    Raises:
        KeyError: there is no such opponent.
        RecordingError: what it needs is not installed.
        ValueError: there are too few rows.
    """
    return OPPONENTS[name].run(trials, lags)
