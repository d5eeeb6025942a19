"""Sparse linear vector autoregressions, as the literature on neural Granger causality draws them.

Source: Tank et al., "Neural Granger Causality", IEEE TPAMI 44:4267 (2022), section 6 and their code.
"""

from __future__ import annotations

import numba
import numpy as np

from fulmen_attention_granger.systems.streams import stream

RADIUS = 0.97  # coefficients are shrunk until the largest eigenvalue is at most this
SHRINK = 0.95
BURN_IN = 100  # samples that are thrown away


def draw_coefficients(variables: int, lags: int, parents: int, seed: int, *what: str | int) -> np.ndarray:
    """Draw who drives whom, and how much: the same coefficient at every lag, for itself and each parent.

    Args:
        variables: How many, more than ``parents``.
        lags: How many, >= 1.
        parents: Of each variable, beside itself, >= 0.
        seed: Of the choice of parents.
        what: Tells one draw of the seed from another.

    Returns:
        float64, shape (lags, targets, sources); lag 1 first. Stable: no eigenvalue above .97.
    """
    generator = stream(seed, "linear_var", "graph", *what)
    edges = np.eye(variables)
    for target in range(variables):
        others = np.delete(np.arange(variables), target)
        edges[target, generator.choice(others, parents, replace=False)] = 1.0
    coefficients = np.repeat(edges[None], lags, axis=0)
    while spectral_radius(coefficients) > RADIUS:
        coefficients *= SHRINK
    return coefficients


def spectral_radius(coefficients: np.ndarray) -> float:
    """Return the largest eigenvalue, in absolute value, of the companion matrix."""
    lags, count, _ = coefficients.shape
    companion = np.eye(lags * count, k=-count)
    companion[:count] = np.concatenate(list(coefficients), axis=1)
    return float(np.abs(np.linalg.eigvals(companion)).max())


def simulate(coefficients: np.ndarray, samples: int, noise: float, seed: int) -> np.ndarray:
    """Return x_t = sum over lags k of B_k x_{t-k} + e_t, with e normal.

    Args:
        coefficients: float64, shape (lags, targets, sources) or (epochs, lags, targets, sources); of
            several epochs each holds for an equal part of the time.
        samples: Rows, >= 1.
        noise: Standard deviation of e.
        seed: Of e.

    Returns:
        float64, shape (samples, variables).
    """
    epochs = np.ascontiguousarray(coefficients if coefficients.ndim == 4 else coefficients[None])
    shape = (samples + BURN_IN, epochs.shape[-1])
    return _run(epochs, stream(seed, "linear_var", "noise").normal(0.0, noise, shape))


@numba.njit(cache=True)
def _run(epochs: np.ndarray, noise: np.ndarray) -> np.ndarray:
    samples = len(noise) - BURN_IN
    lags, count = epochs.shape[1], epochs.shape[2]
    x = noise.copy()
    for t in range(lags, len(x)):
        coefficients = epochs[max(0, t - BURN_IN) * len(epochs) // samples]
        for k in range(lags):
            for i in range(count):
                for j in range(count):
                    x[t, i] += coefficients[k, i, j] * x[t - k - 1, j]
    return x[BURN_IN:]
