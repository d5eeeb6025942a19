"""The hash that all draws come from: a counter in, a random number out, no state.

Source: splitmix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

The passes that inline these functions are cached on disk by the date of their own files: whoever changes
something here removes the `__pycache__` folders.
"""

from __future__ import annotations

import numpy as np
from numba import njit

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # the odd number nearest to 2^64 / golden ratio: splitmix64's step
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_MASK = (1 << 64) - 1


@njit(inline="always")
def mix64(z: np.uint64) -> np.uint64:
    """Map 64 bits one to one to 64 bits that look random (splitmix64's output function)."""
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@njit(inline="always")
def below(word: np.uint64, bound: int) -> np.int64:
    """A number in [0, bound) from 64 random bits, for bounds below 2^31.

    Multiply and shift on the upper 32 bits (Lemire, ACM TOMACS 29(1), 2019), without his rejection: a
    number's probability is off by at most 2^-32, which is `bound` x 2^-32 of it.
    """
    return np.int64(((word >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32))


def stream_key(seed: int, epoch: int, step: int, layer: int) -> np.uint64:
    """The key of one layer's draws. Counters are taken modulo 2^64."""
    key = 0
    for counter in (seed, epoch, step, layer):
        key = _mix((key ^ (counter & _MASK)) + int(GOLDEN) & _MASK)
    return np.uint64(key)


def _mix(z: int) -> int:
    z = (z ^ (z >> 30)) * int(_FIRST) & _MASK
    z = (z ^ (z >> 27)) * int(_SECOND) & _MASK
    return z ^ (z >> 31)
