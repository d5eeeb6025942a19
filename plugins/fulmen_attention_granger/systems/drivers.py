"""Series with parents in common, seen or hidden: the confounding that Granger tests suffer from."""

from __future__ import annotations

import numba
import numpy as np

from fulmen_attention_granger.systems.streams import stream

BURN_IN = 200  # samples that are thrown away
LONGEST = 3  # a driver reaches its targets after 1 to 3 steps
OWN = 0.6  # coefficient of a variable's own last value
STRENGTH = 1.0  # of an edge: it then moves its target about as much as the target's own noise


def simulate(graph: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Return x_i(t) = .6 x_i(t-1) + sum over parents j of tanh(x_j(t - k_ij)) + e_i(t), e standard normal.

    The lag k of each edge is 1 to 3, drawn at random, so that siblings hear of their parent at different
    times and seem to drive each other.

    Args:
        graph: bool, shape (targets, sources), diagonal False.
        samples: Rows, >= 1.
        seed: Of lags and noise.

    Returns:
        float64, shape (samples, variables).
    """
    delays = stream(seed, "drivers", "lags").integers(1, LONGEST + 1, graph.shape)
    noise = stream(seed, "drivers", "noise").standard_normal((samples + BURN_IN, len(graph)))
    return _run(graph, delays, noise)[BURN_IN:]


@numba.njit(cache=True)
def _run(graph: np.ndarray, delays: np.ndarray, noise: np.ndarray) -> np.ndarray:
    x = noise.copy()
    for t in range(LONGEST, len(x)):
        for i in range(x.shape[1]):
            x[t, i] += OWN * x[t - 1, i]
            for j in range(x.shape[1]):
                if graph[i, j]:
                    x[t, i] += STRENGTH * np.tanh(x[t - delays[i, j], j])
    return x
