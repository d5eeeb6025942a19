"""What a block with two wrong bits most likely held, on average: no second copy, no stored byte.

A syndrome of two wrong bits has exactly 32 pairs of bits that explain it. Each pair, flipped back,
gives 8 weights; how probable they are is known from the clean blocks of the same tensors, whose values
are counted. The mean over the 32 candidates, weighted by that probability, has the least expected
squared error. (The single most probable candidate is worse than leaving the block: it is right in 15
to 18 of 100 cases, and where it is wrong it adds two wrong bits.)

Minimum mean-square error concealment for this code is fulmen's own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fulmen_zero_space_ecc.columns import BITS, CHECKS, COLUMNS, column

_SMOOTHING = 1 / 256  # a count for values that no clean block has

Weights = NDArray[np.int8]
LogPriors = NDArray[np.float64]


def log_prior(weights: Weights) -> LogPriors:
    """Return the logarithm of how often each int8 value occurs, -128 first; float64, shape (256,)."""
    counts = np.bincount(weights.reshape(-1).astype(np.int64) + 128, minlength=256) + _SMOOTHING
    logs: LogPriors = np.log(counts / counts.sum())
    return logs


def estimate(payload: Weights, priors: LogPriors, which: NDArray[np.int64]) -> Weights:
    """Return the expected weights of blocks with two wrong bits.

    Args:
        payload: int8, shape (n, 8): the blocks as they are stored, each with an even syndrome, not 0.
        priors: float64, shape (k, 256): `log_prior` of k tensors.
        which: int64, shape (n, 8): which prior each byte follows.

    Returns:
        int8, shape (n, 8): rounded means; bytes 0 to 6 lie in [-64, 63].
    """
    bits = payload.view(np.uint8)[:, :, None] >> np.arange(8, dtype=np.uint8) & 1
    syndromes = np.bitwise_xor.reduce(np.where(bits.reshape(-1, BITS), COLUMNS, 0), axis=1)
    candidates = payload.view(np.uint8)[:, None, :] ^ _FLIPS[syndromes]  # (n, 32, 8)
    held = candidates[..., :CHECKS]
    candidates[..., :CHECKS] = held & 0xBF | held >> 1 & 0x40
    values = candidates.view(np.int8).astype(np.int64)
    logs = priors[which[:, None, :], values + 128].sum(axis=2)
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    means = (weights[..., None] * values).sum(axis=1) / weights.sum(axis=1, keepdims=True)
    rounded: Weights = np.rint(means).astype(np.int8)
    return rounded


def _flips() -> NDArray[np.uint8]:
    """For each even syndrome, 0 to 63, the 32 patterns of two wrong bits that give it; uint8 (64, 32, 8)."""
    table = np.zeros((BITS, BITS // 2, 8), np.uint8)
    found = np.zeros(BITS, int)
    for one in range(BITS):
        for other in range(one):
            syndrome = column(one) ^ column(other)
            for bit in (one, other):
                table[syndrome, found[syndrome], bit >> 3] ^= 1 << (bit & 7)
            found[syndrome] += 1
    return table


_FLIPS = _flips()
