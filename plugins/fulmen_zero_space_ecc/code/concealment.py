"""The most plausible weights of a block with two flips: the posterior mean.

A double error leaves 32 pairs of bits that could have flipped, each giving other weights. How often each
8-bit value occurs at held, or at free, places of the same tensor says which of these weights are likely;
the mean over the 32, weighed so, has the least expected squared error (MMSE). Nothing is stored for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fulmen_zero_space_ecc.code import rows
from fulmen_zero_space_ecc.weights.placement import BLOCK, Layout

_WIDTH = 3  # a value tells as much about its neighbours: small tensors hold few of each
_UNSEEN = 0.02  # what a value counts as that occurred nowhere near

Bytes = NDArray[np.uint8]
Indices = NDArray[np.int64]
LogPriors = NDArray[np.float64]


def value_groups(segments: Sequence[tuple[int, int]], size: int, layout: Layout) -> Indices:
    """Return which bytes of an arena have one distribution of values: int64, shape (size,).

    These are the held, and the free, weights of each tensor; padding counts as the last tensor's, since
    its zeros are likely in any.

    Args:
        segments: The byte range of each tensor, in order, without gaps.
        size: Bytes of the arena.
        layout: ``interleaved`` or ``paper``.
    """
    where = np.arange(size)
    free = where >= size // BLOCK * (BLOCK - 1) if layout == "interleaved" else where % BLOCK == BLOCK - 1
    tensors = np.searchsorted([stop for _, stop in segments], where, side="right")
    groups: Indices = 2 * np.minimum(tensors, len(segments) - 1) + free
    return groups


def log_priors(values: Bytes, groups: Indices, trusted: NDArray[np.bool_]) -> LogPriors:
    """Return the logarithm of how often each int8 value occurs, per group: float64 (groups, 256).

    The first is that of -128. Counts are smoothed over neighbouring values.

    Args:
        values: uint8: the decoded bytes of the arena.
        groups: int64, of the same shape: which bytes have one distribution.
        trusted: bool, of the same shape: which of them to count.
    """
    places = values ^ np.uint8(0x80)  # -128 becomes 0, 127 becomes 255
    count = int(groups.max()) + 1
    counts = np.bincount((groups * 256 + places)[trusted], minlength=256 * count).reshape(count, 256)
    kernel = np.bartlett(2 * _WIDTH + 3)[1:-1]
    smoothed = np.array([np.convolve(each, kernel / kernel.sum(), "same") for each in counts]) + _UNSEEN
    priors: LogPriors = np.log(smoothed / smoothed.sum(axis=1, keepdims=True))
    return priors


def posterior_means(stored: Bytes, groups: Indices, priors: LogPriors) -> Bytes:
    """Return the mean weights of blocks with two flips, rounded: uint8 (n, 8), as int8 values.

    Args:
        stored: uint8 (n, 8): the blocks as they lie in memory.
        groups: int64 (n, 8): the group of each byte.
        priors: As `log_priors` gives them.
    """
    # With a third bit flipped, the decoder sees one error and mends it: that undoes a pair that explains
    # the block. All 64 bits in turn give each of the 32 pairs twice.
    onehot = np.zeros((64, 8), np.uint8)
    onehot[np.arange(64), np.arange(64) // 8] = np.left_shift(1, np.arange(64) % 8)
    tried = (stored[:, None, :] ^ onehot).reshape(-1, 8)
    decoded, _ = rows.decode(tried.view(np.int8))
    candidates = decoded.reshape(len(stored), 64, 8)
    likelihood = priors[groups[:, None, :], candidates.view(np.uint8) ^ np.uint8(0x80)].sum(axis=2)
    weights = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    means = (weights[:, :, None] * candidates).sum(axis=1)
    rounded: Bytes = np.rint(means).astype(np.int8).view(np.uint8)
    return rounded
