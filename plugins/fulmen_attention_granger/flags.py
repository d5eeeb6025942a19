"""Pairs whose relation may come from something that was not recorded: flagged, never hidden.

A parent that was not recorded leaves traces that an edge does not leave: forecast errors of its children
that go together at the same time, a source that matters by its surprises (`surprises`), and company: two
children of one parent each show a trace with a third. None is proof, and a pair without a trace is no proof
of the contrary: no test of forecasts can settle what a hidden variable did. Edges both ways are no trace:
feedback is common.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from fulmen_attention_granger.surprises import Surprises

TOGETHER = "errors together"
BY_SURPRISE = "by surprise"
IN_COMPANY = "in company"
CLEAR = 5.0  # t value from which on a pair without a trace of its own is an edge in whatever company


def pair_flags(
    residual_correlation: np.ndarray,
    samples: int,
    found: Surprises,
    level: float = 0.03,
    company: float = 0.03,
) -> np.ndarray:
    """Return the flags of each pair, an array of strings (targets, sources); several are joined by "; ".

    Both pairs of two variables have the same flags: a hidden parent has no direction.

    Args:
        residual_correlation: (targets, targets), of held-out errors at the same time.
        samples: Held-out samples behind the correlation.
        found: How each source matters.
        level: Chance that a pair without a hidden parent is flagged by its errors. Errors of one time are
            compared, which have no memory as far as the forecast is right.
        company: The same for the two links over a third variable, each.
    """
    n = len(residual_correlation)
    off = ~np.eye(n, dtype=bool)
    z = np.arctanh(np.clip(residual_correlation, -0.999999, 0.999999)) * np.sqrt(max(1, samples - 3))
    size = np.where(off, np.abs(z), 0.0)
    opposite = np.maximum(found.opposite, found.opposite.T)
    together = size > _normal_quantile(level / 2)
    by_surprise = opposite > _normal_quantile(level / 8)
    link = ((size > _normal_quantile(company / 2)) | (opposite > CLEAR - 1)).astype(np.int64)
    clear = np.maximum(found.peak, found.peak.T) >= CLEAR
    in_company = (link @ link > 0) & ~clear
    named = ((TOGETHER, together), (BY_SURPRISE, by_surprise), (IN_COMPANY, in_company))
    flags = np.full((n, n), "", dtype=object)
    for target, source in np.argwhere(off):
        flags[target, source] = "; ".join(name for name, there in named if there[target, source])
    return flags


def _normal_quantile(above: float) -> float:
    """Return what a standard normal number exceeds so often; scipy.stats takes a second to import."""
    return float(-special.ndtri(above))
