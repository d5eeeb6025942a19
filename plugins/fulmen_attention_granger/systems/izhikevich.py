"""The paper's spiking networks: Izhikevich neurons, four in five of them excitatory.

Source: Lu et al., "Attention for Causal Relationship Discovery from Biological Neural Dynamics"
(arXiv:2311.06928), whose equations are Izhikevich's, IEEE Transactions on Neural Networks 14:1569 (2003).
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from fulmen_attention_granger.systems.streams import stream

PEAK = 30.0  # mV: a neuron at or above it has fired, and is reset in the next millisecond
SYNAPSE = 5.0  # what a spike adds to or takes from the input of those that it reaches
INPUT_MEAN, INPUT_VARIANCE = 5.0, 5.0  # as in the authors' files


@dataclass(frozen=True)
class Neurons:
    """The parameters of each neuron, float64, shape (neurons,): Izhikevich's a, b, c and d."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    d: np.ndarray


def draw_neurons(inhibitory: np.ndarray, seed: int) -> Neurons:
    """Draw the parameters of excitatory and inhibitory neurons.

    With r uniform on [0, 1]: an excitatory neuron has a = .02, c = -65 + 15 r^2, d = 8 - 6 r^2; an
    inhibitory one a = .02 + .08 r, c = -65, d = 2; b = -.1 in both.

    Args:
        inhibitory: bool, shape (neurons,).
        seed: Of the draw.
    """
    r = stream(seed, "izhikevich", "neurons").random(len(inhibitory))
    return Neurons(
        a=np.where(inhibitory, 0.02 + 0.08 * r, 0.02),
        b=np.full(len(r), -0.1),
        c=np.where(inhibitory, -65.0, -65.0 + 15.0 * r**2),
        d=np.where(inhibitory, 2.0, 8.0 - 6.0 * r**2),
    )


def simulate(neurons: Neurons, synapses: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Return membrane potentials, one row a millisecond, clipped at the peak of 30 mV.

    Args:
        neurons: Their parameters.
        synapses: float64, shape (targets, sources) or (epochs, targets, sources): what a spike of the
            source adds to the target's input in the next millisecond. Of several epochs each holds for
            an equal part of the time.
        samples: Milliseconds, >= 1.
        seed: Of the noise in the input.

    Returns:
        float64, shape (samples, neurons), in mV.
    """
    epochs = synapses if synapses.ndim == 3 else synapses[None]
    noise = stream(seed, "izhikevich", "input").standard_normal((samples, len(neurons.a)))
    current = INPUT_MEAN + np.sqrt(INPUT_VARIANCE) * noise
    potentials = _run(neurons.a, neurons.b, neurons.c, neurons.d, np.ascontiguousarray(epochs), current)
    clipped: np.ndarray = np.minimum(potentials, PEAK)
    return clipped


@numba.njit(cache=True)
def _run(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, epochs: np.ndarray, current: np.ndarray
) -> np.ndarray:
    samples, count = current.shape
    v = np.full(count, -65.0)
    u = b * v
    potentials = np.empty((samples, count))
    for t in range(samples):
        synapses = epochs[t * len(epochs) // samples]
        total = current[t].copy()
        for j in range(count):
            if v[j] >= PEAK:
                v[j] = c[j]
                u[j] += d[j]
                for i in range(count):
                    total[i] += synapses[i, j]
        for i in range(count):
            for _ in range(2):  # two half steps of v for one of u, as in Izhikevich's script
                v[i] += 0.5 * (0.04 * v[i] ** 2 + 4.1 * v[i] + 108.0 - u[i] + total[i])
            u[i] += a[i] * (b[i] * v[i] - u[i])
            potentials[t, i] = v[i]
    return potentials
