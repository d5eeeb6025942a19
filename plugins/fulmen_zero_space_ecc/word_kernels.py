"""The code on blocks of 8 consecutive bytes: one 64-bit word is one block.

Little-endian words: byte ``i`` of a block is bits ``8 i`` to ``8 i + 7``. Only uint64 is computed with,
since numba makes floats of a mixture with int64; functions that only read stay apart from those that
write, since a loop with a store in a branch is not vectorised.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from fulmen_zero_space_ecc.columns import POSITION

CHUNK = 1024  # words: clean ones are passed over, dirty ones looked at word by word
_SMALL = 32

_CHECK = np.uint64(0x0040404040404040)  # the check bits of a word
_SYNDROME = np.uint64(0x0000000100010117)  # where the folded word has the bits of the syndrome
_LOW4 = np.uint64(0x0F0F0F0F0F0F0F0F)
_LOW2 = np.uint64(0x3333333333333333)
_LOW1 = np.uint64(0x5555555555555555)
_EVEN_BYTES = np.uint64(0x00FF00FF00FF00FF)
_EVEN_PAIRS = np.uint64(0x0000FFFF0000FFFF)
_1, _2, _4, _8, _16, _32 = (np.uint64(n) for n in (1, 2, 4, 8, 16, 32))
_23, _38, _44 = (np.uint64(n) for n in (23, 38, 44))
_0 = np.uint64(0)


@njit(inline="always")
def folded(w):  # type: ignore[no-untyped-def]
    """Return a word whose bits 0, 1, 2, 4, 8, 16, 32 are the syndrome: odd, j0, j1, j2, i0, i1, i2."""
    w ^= (w >> _4) & _LOW4  # bit 0 of each byte becomes its parity, bits 1, 2, 4 those where j has a bit
    w ^= (w >> _2) & _LOW2
    w ^= (w >> _1) & _LOW1
    shifted = ((w >> _23) & _2) ^ ((w >> _38) & _4) ^ ((w >> _44) & _16)  # T of bytes 3, 5, 6
    w ^= w >> _32
    w ^= (w >> _16) & _EVEN_PAIRS
    w ^= (w >> _8) & _EVEN_BYTES
    return w ^ shifted


@njit(inline="always")
def _syndrome(w):  # type: ignore[no-untyped-def]
    """Return the syndrome as columns.py orders it: odd at bit 6, i2 i1 i0, j2 j1 j0."""
    f = folded(w)
    return (
        ((f & _1) << np.uint64(6))
        | ((f >> np.uint64(27)) & _32)
        | ((f >> np.uint64(12)) & _16)
        | ((f >> np.uint64(5)) & _8)
        | ((f >> _2) & _4)
        | ((f >> _1) & np.uint64(3))
    )


@njit(inline="never", nogil=True, cache=True)
def any_dirty(words: Any) -> bool:
    """Whether a block has a syndrome that is not 0."""
    found = _0
    for k in range(words.size):
        found |= folded(words[k])
    return bool((found & _SYNDROME) != _0)


@njit(nogil=True, cache=True)
def is_clean(words: Any) -> bool:
    """Whether no block has a syndrome; looks at all of them."""
    found = _0
    for k in range(words.size):
        found |= folded(words[k])
    return bool((found & _SYNDROME) == _0)


@njit(nogil=True, cache=True)
def scrub(words: Any, detected: Any) -> tuple[int, int]:
    """Correct blocks with one flip in place; note the numbers of those with two.

    Args:
        words: uint64, one a block.
        detected: int64: takes block numbers, as many as there is room for.

    Returns:
        How many were corrected, and how many detected.
    """
    corrected = doubles = 0
    for begin in range(0, words.size, CHUNK):
        end = min(begin + CHUNK, words.size)
        if not any_dirty(words[begin:end]):
            continue
        for first in range(begin, end, _SMALL):
            last = min(first + _SMALL, end)
            if not any_dirty(words[first:last]):
                continue
            for k in range(first, last):
                syndrome = _syndrome(words[k])
                if syndrome == _0:
                    continue
                bit = POSITION[syndrome]
                if bit < 64:
                    words[k] ^= _1 << np.uint64(bit)
                    corrected += 1
                else:
                    if doubles < detected.size:
                        detected[doubles] = k
                    doubles += 1
    return corrected, doubles


@njit(inline="never", nogil=True, cache=True)
def any_outside(words: Any) -> bool:
    """Whether a held byte lies outside [-64, 63]: its bits 6 and 7 differ."""
    found = _0
    for k in range(words.size):
        found |= (words[k] >> _1) ^ words[k]
    return bool((found & _CHECK) != _0)


@njit(nogil=True, cache=True)
def encode(words: Any) -> int:
    """Put check bits into words whose held bytes lie in [-64, 63].

    Returns:
        How many words were encoded: fewer than there are if one has a held byte outside.
    """
    for begin in range(0, words.size, CHUNK):
        end = min(begin + CHUNK, words.size)
        if any_outside(words[begin:end]):
            return begin
        _encode(words[begin:end])
    return int(words.size)


@njit(inline="never", nogil=True, cache=True)
def _encode(words: Any) -> None:
    for k in range(words.size):
        word = words[k] & ~_CHECK
        f = folded(word)
        odd, j0, j1, j2 = f & _1, (f >> _1) & _1, (f >> _2) & _1, (f >> _4) & _1
        i0, i1, i2 = (f >> _8) & _1, (f >> _16) & _1, (f >> _32) & _1
        # The check bits that cancel a syndrome: columns.SOLUTION, written out.
        word |= (odd ^ i0 ^ i1 ^ i2 ^ j0 ^ j1 ^ j2) << np.uint64(6)
        word |= (odd ^ i0 ^ j0 ^ j1) << np.uint64(14)
        word |= (odd ^ i1 ^ j0 ^ j2) << np.uint64(22)
        word |= j0 << np.uint64(30)
        word |= (i2 ^ j1 ^ j2) << np.uint64(38)
        word |= (odd ^ j1) << np.uint64(46)
        words[k] = word | (odd ^ j2) << np.uint64(54)


@njit(nogil=True, cache=True)
def decode(words: Any, out: Any) -> None:
    """Replace check bits by signs; corrects nothing. ``out`` may be ``words``."""
    for k in range(words.size):
        word = words[k]
        out[k] = (word & ~_CHECK) | ((word >> _1) & _CHECK)


@njit(nogil=True, cache=True)
def decode_blocks(words: Any, out: Any, status: Any) -> None:
    """Correct and decode; ``status`` per block is 0 clean, 1 corrected, 2 detected."""
    for k in range(words.size):
        word = words[k]
        syndrome = _syndrome(word)
        state = 0
        if syndrome != _0:
            bit = POSITION[syndrome]
            state = 1 if bit < 64 else 2
            if bit < 64:
                word ^= _1 << np.uint64(bit)
        status[k] = state
        out[k] = (word & ~_CHECK) | ((word >> _1) & _CHECK)
