"""Neurons without spikes, as most of those of C. elegans: graded potentials, sigmoid synapses.

Source: the form of Wicks, Roehrig and Rankin, Journal of Neuroscience 16:4017 (1996), and Kunert,
Shlizerman and Kutz, Physical Review E 89:052805 (2014), in units of the threshold's width.
"""

from __future__ import annotations

import numba
import numpy as np

from fulmen_attention_granger.systems.streams import stream

BURN_IN = 500  # samples that are thrown away
DECAY = 0.3  # of the distance to rest, in one step
NOISE = 0.3  # standard deviation of the input in one step
ADAPTATION = 0.5  # how strongly a slow current pulls a potential back to rest
SLOWNESS = 0.02  # how much of the potential that current takes up in one step


def simulate(synapses: np.ndarray, samples: int, gain: float, seed: int) -> np.ndarray:
    """Return graded potentials v, with s(v) = 1 / (1 + exp(-4v)) the share of a synapse that is open.

    v_i(t+1) = .7 v_i(t) + g sum over j of S_ij (s(v_j(t)) - .5) - .5 a_i(t) + .3 e_i(t),
    a_i(t+1) = a_i(t) + .02 (v_i(t) - a_i(t)).

    The slow current a stands for the adaptation that keeps real neurons off saturation; without it a
    network of excitatory neurons sticks at one end of s, where nobody hears anybody.

    Args:
        synapses: float64, shape (targets, sources): +1, -1 or another strength; 0 where there is none.
            Those of a target are divided by the root of the sum of their squares, so that a neuron with
            many inputs is not driven harder than one with few.
        samples: Rows, >= 1.
        gain: g.
        seed: Of the noise.

    Returns:
        float64, shape (samples, neurons).
    """
    norm = np.sqrt((synapses**2).sum(axis=1, keepdims=True))
    weights = gain * synapses / np.maximum(norm, 1e-12)
    noise = stream(seed, "graded", "noise").normal(0.0, NOISE, (samples + BURN_IN, len(synapses)))
    return _run(weights, noise)[BURN_IN:]


@numba.njit(cache=True)
def _run(weights: np.ndarray, noise: np.ndarray) -> np.ndarray:
    v = noise.copy()
    a = np.zeros(v.shape[1])
    for t in range(1, len(v)):
        heard = weights @ (1.0 / (1.0 + np.exp(-4.0 * v[t - 1])) - 0.5)
        v[t] += (1.0 - DECAY) * v[t - 1] + heard - ADAPTATION * a
        a += SLOWNESS * (v[t - 1] - a)
    return v
