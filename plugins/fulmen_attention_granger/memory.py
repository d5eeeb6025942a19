"""Whether an analysis fits into memory, said before it starts."""

from __future__ import annotations

import psutil

from fulmen_attention_granger.lag_choice import lag_choice_memory
from fulmen_attention_granger.phantoms import copies_needed

BLOCK_MEANS = 3 * 15 * 8  # read-outs, blocks of a fold, bytes
FOLDS = 5
BATCH = 64
LAGS = 5  # where none are given
HIDDEN = 32
REFIT_FEATURES = 50  # of `refit`, for 5 lags


def memory_needed(
    variables: int, samples: int, significance: bool, lags: int | None, max_lags: int, trials: int = 1
) -> int:
    """Return an upper estimate in bytes, for the largest member that may be chosen.

    Args:
        variables: N.
        samples: Rows of all trials.
        significance: Whether phantoms double the sources.
        lags: Rows of history; None: chosen.
        max_lags: Tried at most, where chosen.
        trials: How many; no block straddles two.
    """
    longest = max_lags if lags is None else lags
    sources = variables * (1 + (copies_needed(variables) if significance else 0))
    windows = samples * (sources * longest + 2 * variables) * 4 * 2
    readings = FOLDS * variables * sources * (BLOCK_MEANS + 3 * 8 * trials // FOLDS + 16 * longest)
    training = FOLDS * (BATCH * sources * (HIDDEN * 3 + 32) * 4 * 2 + 4 * variables * sources * 16)
    block = samples // FOLDS // 12 + 1
    held_out = block * sources * HIDDEN * 4 * 4 * 4
    refit = variables * sources * (8 * REFIT_FEATURES * longest // LAGS + 4 * 2 * block)
    choice = lag_choice_memory(variables, samples, max_lags) if lags is None else 0
    return max(choice, windows + readings + training + held_out + refit)


def require_memory(needed: int, variables: int) -> None:
    """Refuse what does not fit.

    Raises:
        ValueError: with the estimate, what is there, and what to do.
    """
    free = psutil.virtual_memory().available
    if needed > free:
        raise ValueError(
            f"{variables} variables need about {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free; "
            "analyze fewer variables, or set significance: false"
        )
