"""Lorenz-96: each variable is driven by the next one and the two before it, on a ring.

Source: Lorenz, "Predictability: a problem partly solved" (ECMWF, 1996); sampled as in Tank et al.,
"Neural Granger Causality", IEEE TPAMI 44:4267 (2022).
"""

from __future__ import annotations

import numba
import numpy as np

from fulmen_attention_granger.systems.streams import stream

STEPS = 20  # of Runge and Kutta's fourth order between two samples: the error is far below the noise
BURN_IN = 1000  # samples that are thrown away


def simulate(
    variables: int, samples: int, forcing: float, interval: float, noise: float, seed: int
) -> np.ndarray:
    """Return dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F, sampled, with noise on the samples.

    Args:
        variables: On the ring, >= 4.
        samples: Rows, >= 1.
        forcing: F; at 10 the flow is chaotic, at 40 more so.
        interval: Time between two rows.
        noise: Standard deviation of what is added to each sample.
        seed: Of the start and the noise.

    Returns:
        float64, shape (samples, variables).
    """
    start = stream(seed, "lorenz96", "start").normal(0.0, 0.01, variables)
    flow = _run(start, samples + BURN_IN, forcing, interval / STEPS)[BURN_IN:]
    observed: np.ndarray = flow + stream(seed, "lorenz96", "noise").normal(0.0, noise, flow.shape)
    return observed


def graph(variables: int) -> np.ndarray:
    """Return the graph of the equations, bool (targets, sources), diagonal False."""
    index = np.arange(variables)
    edges = np.zeros((variables, variables), dtype=bool)
    for offset in (1, -1, -2):
        edges[index, (index + offset) % variables] = True
    return edges


@numba.njit(cache=True)
def _slope(x: np.ndarray, forcing: float, out: np.ndarray) -> None:
    count = len(x)
    for i in range(count):
        out[i] = (x[(i + 1) % count] - x[i - 2]) * x[i - 1] - x[i] + forcing


@numba.njit(cache=True)
def _run(start: np.ndarray, samples: int, forcing: float, step: float) -> np.ndarray:
    x = start.copy()
    k1, k2, k3, k4 = np.empty_like(x), np.empty_like(x), np.empty_like(x), np.empty_like(x)
    flow = np.empty((samples, len(x)))
    for t in range(samples):
        flow[t] = x
        for _ in range(STEPS):
            _slope(x, forcing, k1)
            _slope(x + step / 2 * k1, forcing, k2)
            _slope(x + step / 2 * k2, forcing, k3)
            _slope(x + step * k3, forcing, k4)
            x = x + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return flow
