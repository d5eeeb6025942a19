"""Series that do not drive each other at all, each with what misleads tests: memory, curvature, drift."""

from __future__ import annotations

import numba
import numpy as np

from fulmen_attention_granger.systems.streams import stream

BURN_IN = 200  # samples that are thrown away
KINDS = ("linear", "nonlinear", "shifting")
SHIFTS = 3  # level shifts of a series of the kind "shifting"


def simulate(kind: str, variables: int, samples: int, memory: float, seed: int) -> np.ndarray:
    """Return independent autoregressions of one kind.

    ``linear``: x(t) = m x(t-1) + e. ``nonlinear``: x(t) = m x(t-1) + sin(2 x(t-2)) + (1 + x(t-1)^2 / 4)^.5
    e / 2, so that both its mean and its variance depend on its past. ``shifting``: the linear one, whose
    standard deviation grows from 1 to 3 over the time in half of the variables and shrinks in the others,
    with three shifts of its level by up to 3 of its standard deviations at places of its own.

    Args:
        kind: One of the three.
        variables: How many, >= 2.
        samples: Rows, >= 1.
        memory: m, 0 to below 1.
        seed: Of everything.

    Returns:
        float64, shape (samples, variables).
    """
    noise = stream(seed, "nulls", kind).standard_normal((samples + BURN_IN, variables))
    x = _run(noise, memory, kind == "nonlinear")[BURN_IN:]
    return _shift(x, seed) if kind == "shifting" else x


def _shift(x: np.ndarray, seed: int) -> np.ndarray:
    samples, variables = x.shape
    generator = stream(seed, "nulls", "shifts")
    ramp = np.linspace(1.0, 3.0, samples)
    grows = np.less(generator.random(variables), 0.5)
    scaled = x * np.where(grows, ramp[:, None], ramp[::-1, None])
    spread = scaled.std(axis=0)
    for variable in range(variables):
        for place in generator.integers(0, samples, SHIFTS):
            scaled[place:, variable] += generator.uniform(-3.0, 3.0) * spread[variable]
    return scaled


@numba.njit(cache=True)
def _run(noise: np.ndarray, memory: float, nonlinear: bool) -> np.ndarray:
    x = noise.copy()
    for t in range(2, len(x)):
        for i in range(x.shape[1]):
            if nonlinear:
                spread = 0.5 * np.sqrt(1.0 + x[t - 1, i] ** 2 / 4.0)
                x[t, i] = memory * x[t - 1, i] + np.sin(2 * x[t - 2, i]) + spread * noise[t, i]
            else:
                x[t, i] = memory * x[t - 1, i] + noise[t, i]
    return x
