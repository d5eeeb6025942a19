"""A vector autoregression whose edges are bounded, nonlinear functions; some of them even, so that no
linear test sees them.
"""

from __future__ import annotations

import numba
import numpy as np

from fulmen_attention_granger.systems.streams import stream

BURN_IN = 200  # samples that are thrown away
OWN = 0.5  # coefficient of a variable's own last value
SHAPES = ("tanh(2x)", "2 exp(-x^2) - 1", "sin(2x)")  # the second is even: no correlation shows it
STRENGTH = 0.8


def simulate(graph: np.ndarray, lags: int, samples: int, noise: float, seed: int) -> np.ndarray:
    """Return x_i(t) = .5 x_i(t-1) + .8 sum over parents j of f_ij(x_j(t - k_ij)) + e_i(t), e normal.

    Each edge has one of three shapes f and one lag k, drawn at random, and a random sign.

    Args:
        graph: bool, shape (targets, sources), diagonal False.
        lags: k is 1 to this.
        samples: Rows, >= 1.
        noise: Standard deviation of e.
        seed: Of shapes, lags, signs and noise.

    Returns:
        float64, shape (samples, variables). It stays bounded whatever the graph is, as f is.
    """
    generator = stream(seed, "nonlinear_var", "edges")
    shapes = generator.integers(0, len(SHAPES), graph.shape)
    delays = generator.integers(1, lags + 1, graph.shape)
    weights = STRENGTH * generator.choice(np.array([-1.0, 1.0]), graph.shape) * graph
    e = stream(seed, "nonlinear_var", "noise").normal(0.0, noise, (samples + BURN_IN, len(graph)))
    return _run(weights, shapes, delays, e, lags)[BURN_IN:]


@numba.njit(cache=True)
def _run(
    weights: np.ndarray, shapes: np.ndarray, delays: np.ndarray, noise: np.ndarray, lags: int
) -> np.ndarray:
    x = noise.copy()
    for t in range(lags, len(x)):
        for i in range(x.shape[1]):
            x[t, i] += OWN * x[t - 1, i]
            for j in range(x.shape[1]):
                if weights[i, j] != 0.0:
                    cause = x[t - delays[i, j], j]
                    if shapes[i, j] == 0:
                        effect = np.tanh(2 * cause)
                    elif shapes[i, j] == 1:
                        effect = 2 * np.exp(-(cause**2)) - 1
                    else:
                        effect = np.sin(2 * cause)
                    x[t, i] += weights[i, j] * effect
    return x
