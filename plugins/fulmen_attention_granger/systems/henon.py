"""Hénon maps coupled in a chain: deterministic, chaotic, and barely visible to linear tests.

Source: Kugiumtzis, "Direct-coupling information measure from nonuniform embedding", Physical Review E
87:062918 (2013), section IV.
"""

from __future__ import annotations

import numba
import numpy as np

from fulmen_attention_granger.systems.streams import stream

BURN_IN = 1000  # samples that are thrown away
STARTS = 100  # how many starts are tried: some run away to infinity


def simulate(maps: int, samples: int, coupling: float, seed: int) -> np.ndarray:
    """Return x_i(t) = 1.4 - s_i(t-1)^2 + .3 x_i(t-2), with s_i = C (x_{i-1} + x_{i+1}) / 2 + (1 - C) x_i.

    The first and the last map are driven by nobody: there s_i = x_i.

    Args:
        maps: In the chain, >= 3.
        samples: Rows, >= 1.
        coupling: C, 0 to .4 or so; above, the maps fall into step.
        seed: Of the start.

    Returns:
        float64, shape (samples, maps).

    Raises:
        ValueError: the maps run away from every start that was tried.
    """
    generator = stream(seed, "henon", "start")
    for _ in range(STARTS):
        x = _run(generator.random((2, maps)), samples + BURN_IN, coupling)
        if np.isfinite(x).all():
            return x[BURN_IN:]
    raise ValueError(
        f"henon: with coupling {coupling} the maps run away from each of {STARTS} starts; "
        "expected a coupling of about 0 to 0.4: lower it."
    )


def graph(maps: int) -> np.ndarray:
    """Return the graph of the equations, bool (targets, sources), diagonal False."""
    edges = np.zeros((maps, maps), dtype=bool)
    inner = np.arange(1, maps - 1)
    edges[inner, inner - 1] = edges[inner, inner + 1] = True
    return edges


@numba.njit(cache=True)
def _run(start: np.ndarray, samples: int, coupling: float) -> np.ndarray:
    count = start.shape[1]
    x = np.empty((samples, count))
    x[:2] = start
    for t in range(2, samples):
        for i in range(count):
            drive = x[t - 1, i]
            if 0 < i < count - 1:
                drive = coupling * (x[t - 1, i - 1] + x[t - 1, i + 1]) / 2 + (1 - coupling) * drive
            x[t, i] = 1.4 - drive**2 + 0.3 * x[t - 2, i]
            if abs(x[t, i]) > 1e3:  # it ran away, and would overflow
                x[t:] = np.nan
                return x
    return x
