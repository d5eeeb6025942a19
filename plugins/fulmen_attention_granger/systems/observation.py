"""What an instrument makes of a signal: gaps, noise, slow dyes, rare frames. Pure functions on one trial."""

from __future__ import annotations

import numpy as np

from fulmen_attention_granger.systems.izhikevich import PEAK
from fulmen_attention_granger.systems.streams import stream

CALCIUM_DECAY = 100.0  # ms until a transient has fallen to 1/e, a fast indicator's
CALCIUM_NOISE = 0.1  # standard deviation, in units of what one spike adds


def calcium(potentials: np.ndarray, seed: int, decay: float = CALCIUM_DECAY) -> np.ndarray:
    """Return what a fluorescent dye shows of spikes: each adds 1, which decays exponentially; plus noise.

    Args:
        potentials: float64, shape (time, neurons), mV, one row a millisecond; 30 mV is a spike.
        seed: Of the noise.
        decay: Time constant, ms.

    Returns:
        float64, shape (time, neurons).
    """
    spikes = (potentials >= PEAK).astype(np.float64)
    kept = np.exp(-1.0 / decay)
    light = np.empty_like(spikes)
    level = np.zeros(spikes.shape[1])
    for t, fired in enumerate(spikes):
        level = kept * level + fired
        light[t] = level
    seen: np.ndarray = light + stream(seed, "calcium").normal(0.0, CALCIUM_NOISE, light.shape)
    return seen


def add_noise(trial: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Add normal noise that makes up this share (0 to below 1) of each variable's variance afterwards."""
    spread = np.nanstd(trial, axis=0) * np.sqrt(share / (1.0 - share))
    noisy: np.ndarray = trial + spread * stream(seed, "observation noise").standard_normal(trial.shape)
    return noisy


def lose(trial: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Put NaN in place of this share of the values, each lost or kept by itself."""
    lost = stream(seed, "missing").random(trial.shape) < share
    return np.where(lost, np.nan, trial)
