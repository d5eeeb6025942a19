"""Pairs whose relation may come from something that was not recorded: flagged, never hidden.

A parent that was not recorded leaves two traces that an edge does not leave: forecast errors of its
children that go together at the same time, and forecasts that work both ways. Neither is proof: no test
of forecasts can settle what a hidden variable did.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

TOGETHER = "errors together"
BOTH_WAYS = "both ways"


def pair_flags(
    selected: np.ndarray | None, residual_correlation: np.ndarray, samples: int, level: float = 0.01
) -> np.ndarray:
    """Return the flags of each pair, an array of strings (targets, sources); several are joined by "; ".

    Args:
        selected: bool (targets, sources); None: not known.
        residual_correlation: (targets, targets), of held-out errors at the same time.
        samples: Held-out samples behind the correlation.
        level: Chance of a false flag of errors anywhere (Bonferroni over pairs). Errors of one time are
            compared, which have no memory as far as the forecast is right.
    """
    n = len(residual_correlation)
    pairs = max(1, n * (n - 1) // 2)
    limit = stats.norm.isf(level / (2 * pairs)) / np.sqrt(max(1, samples - 3))
    together = np.abs(np.arctanh(np.clip(residual_correlation, -0.999999, 0.999999))) > limit
    both = np.zeros((n, n), dtype=bool) if selected is None else selected & selected.T
    flags = np.full((n, n), "", dtype=object)
    for target in range(n):
        for source in range(n):
            if target != source:
                named = [(TOGETHER, together[target, source]), (BOTH_WAYS, both[target, source])]
                flags[target, source] = "; ".join(name for name, there in named if there)
    return flags
