"""Spikes regressed on spikes, where nothing else of a neuron is seen.

The linear form of the point-process models of Truccolo et al., J. Neurophysiology 93:1074 (2005): the
probability of a spike in the next step, on the numbers of spikes of every neuron in spans of the past.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

SPANS = (1, 2, 4, 8, 16)  # steps back at which the spans of the past end


def trains_on_trains(fired: Sequence[np.ndarray], targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Test whether a source's spikes in the past help to tell a target's next one.

    Args:
        fired: bool, (time, variables) for each trial.
        targets: Which variables are explained.

    Returns:
        F statistics and p values of a source's spans together, given all other variables' and the
        target's own: float64, (len(targets), variables) each; own ones 0 and 1. All 0 and 1 where fewer
        rows than coefficients are there.
    """
    variables, spans = fired[0].shape[1], len(SPANS)
    f, p = np.zeros((len(targets), variables)), np.ones((len(targets), variables))
    past, now = (np.concatenate(parts) for parts in zip(*map(_counts, fired), strict=True))
    free = len(now) - variables * spans - 1
    if free < 1:
        return f, p
    x = np.concatenate([past.reshape(len(past), -1), np.ones((len(past), 1))], axis=1)
    inverse = np.linalg.pinv(x.T @ x, hermitian=True)
    coefficients = inverse @ (x.T @ now[:, targets])
    variance = ((now[:, targets] - x @ coefficients) ** 2).sum(axis=0) / free
    heard = past.any(axis=(0, 1))
    spiking = now[:, targets].any(axis=0)  # a target that never fires has nothing to explain
    for source in np.flatnonzero(heard):
        own = np.arange(spans) * variables + source
        effect = coefficients[own][:, spiking]
        precision = np.linalg.pinv(inverse[np.ix_(own, own)], hermitian=True)
        f[spiking, source] = np.einsum("li,lm,mi->i", effect, precision, effect) / (spans * variance[spiking])
        p[spiking, source] = special.fdtrc(spans, free, np.maximum(f[spiking, source], 0.0))
    f[np.arange(len(targets)), targets] = 0.0
    p[np.arange(len(targets)), targets] = 1.0
    return f, p


def _counts(fired: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return spikes in each span of the past, (rows, spans, variables), and of now, (rows, variables)."""
    longest = SPANS[-1]
    total = np.concatenate([np.zeros((1, fired.shape[1])), np.cumsum(fired, axis=0)])
    rows = np.arange(longest, len(fired))
    bounds = (0, *SPANS)
    spans = [total[rows - near] - total[rows - far] for near, far in zip(bounds, SPANS, strict=False)]
    counts = np.stack(spans, axis=1) if len(rows) else np.empty((0, len(SPANS), fired.shape[1]))
    return counts, fired[longest:].astype(np.float64)
