"""The code on byte planes: byte ``b`` of each of 8 planes is block ``b``, so 8 blocks fit into each word.

An arena of N bytes is uint64 of shape (8, N / 64): row ``i`` holds byte ``i`` of 8 blocks a word. What
word_kernels.py folds together inside of a word are here exclusive ors of rows, and only the parity of
each byte is folded; that is twice as fast. See there for the rules that keep numba's loops vectorised.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from fulmen_zero_space_ecc.columns import CHECKS, POSITION

CHUNK = 1024  # words of each plane
_ENCODED = 512
_SMALL = 32

_CHECK = np.uint64(0x4040404040404040)  # the check bit of each byte
_LSB = np.uint64(0x0101010101010101)
_J0, _J1, _J2 = (np.uint64(m) for m in (0xAAAAAAAAAAAAAAAA, 0xCCCCCCCCCCCCCCCC, 0xF0F0F0F0F0F0F0F0))
_0, _1, _2, _4, _6 = (np.uint64(n) for n in (0, 1, 2, 4, 6))


@njit(inline="always")
def _parity(bytes_):  # type: ignore[no-untyped-def]
    """Bit 0 of each byte becomes the parity of the byte; the other bits are of no meaning."""
    bytes_ ^= bytes_ >> _4
    bytes_ ^= bytes_ >> _2
    return bytes_ ^ (bytes_ >> _1)


@njit(inline="always")
def _sums(b0, b1, b2, b3, b4, b5, b6, b7):  # type: ignore[no-untyped-def]
    """Return the bytes whose parities are the syndrome: odd, i0, i1, i2, j0, j1, j2."""
    b67, b23 = b6 ^ b7, b2 ^ b3
    i2 = b4 ^ b5 ^ b67
    i1 = b23 ^ b67
    i0 = b1 ^ b3 ^ b5 ^ b7
    odd = b0 ^ b1 ^ b23 ^ i2
    # Bytes 3, 5 and 6 have T = 1, 2, 4: all of their bits count once more in j0, j1, j2.
    return odd, i0, i1, i2, (odd & _J0) ^ b3, (odd & _J1) ^ b5, (odd & _J2) ^ b6


@njit(inline="never", nogil=True, cache=True)
def any_dirty(b0: Any, b1: Any, b2: Any, b3: Any, b4: Any, b5: Any, b6: Any, b7: Any) -> bool:
    """Whether a block has a syndrome that is not 0. Each argument is a plane, or a part of it."""
    found = _0
    for k in range(b0.size):
        odd, i0, i1, i2, j0, j1, j2 = _sums(b0[k], b1[k], b2[k], b3[k], b4[k], b5[k], b6[k], b7[k])
        found |= _parity(odd) | _parity(i0) | _parity(i1) | _parity(i2)
        found |= _parity(j0) | _parity(j1) | _parity(j2)
    return bool((found & _LSB) != _0)


@njit(nogil=True, cache=True)
def is_clean(planes: Any) -> bool:
    """Whether no block has a syndrome."""
    b = planes
    return not any_dirty(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7])


@njit(nogil=True, cache=True)
def scrub(planes: Any, detected: Any) -> tuple[int, int]:
    """Correct blocks with one flip in place; note the numbers of those with two.

    Args:
        planes: uint64, shape (8, n); each row contiguous.
        detected: int64: takes block numbers, as many as there is room for.

    Returns:
        How many were corrected, and how many detected.
    """
    b0, b1, b2, b3 = planes[0], planes[1], planes[2], planes[3]
    b4, b5, b6, b7 = planes[4], planes[5], planes[6], planes[7]
    corrected = doubles = 0
    for begin in range(0, b0.size, CHUNK):
        end = min(begin + CHUNK, b0.size)
        s = slice(begin, end)
        if not any_dirty(b0[s], b1[s], b2[s], b3[s], b4[s], b5[s], b6[s], b7[s]):
            continue
        for first in range(begin, end, _SMALL):
            s = slice(first, min(first + _SMALL, end))
            if not any_dirty(b0[s], b1[s], b2[s], b3[s], b4[s], b5[s], b6[s], b7[s]):
                continue
            for k in range(first, min(first + _SMALL, end)):
                odd, i0, i1, i2, j0, j1, j2 = _sums(b0[k], b1[k], b2[k], b3[k], b4[k], b5[k], b6[k], b7[k])
                odd, i0, i1, i2 = _parity(odd), _parity(i0), _parity(i1), _parity(i2)
                j0, j1, j2 = _parity(j0), _parity(j1), _parity(j2)
                if ((odd | i0 | i1 | i2 | j0 | j1 | j2) & _LSB) == _0:
                    continue
                for lane in range(8):
                    at = np.uint64(8 * lane)
                    syndrome = (
                        (((odd >> at) & _1) << np.uint64(6))
                        | (((i2 >> at) & _1) << np.uint64(5))
                        | (((i1 >> at) & _1) << _4)
                        | (((i0 >> at) & _1) << np.uint64(3))
                        | (((j2 >> at) & _1) << _2)
                        | (((j1 >> at) & _1) << _1)
                        | ((j0 >> at) & _1)
                    )
                    if syndrome == _0:
                        continue
                    bit = POSITION[syndrome]
                    if bit < 64:
                        planes[bit >> 3, k] ^= _1 << (at + np.uint64(bit & 7))
                        corrected += 1
                    else:
                        if doubles < detected.size:
                            detected[doubles] = 8 * k + lane
                        doubles += 1
    return corrected, doubles


@njit(inline="never", nogil=True, cache=True)
def _fill(b0: Any, b1: Any, b2: Any, b3: Any, b4: Any, b5: Any, b6: Any, b7: Any, sums: Any) -> bool:
    """Put into ``sums`` the bytes whose parities the check bits are; whether all held bytes lie inside."""
    outside = _0
    s0, s1, s2, s3, s4, s5, s6 = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6]
    for k in range(b0.size):
        x0, x1, x2, x3, x4, x5, x6 = b0[k], b1[k], b2[k], b3[k], b4[k], b5[k], b6[k]
        outside |= (x0 ^ (x0 >> _1)) | (x1 ^ (x1 >> _1)) | (x2 ^ (x2 >> _1)) | (x3 ^ (x3 >> _1))
        outside |= (x4 ^ (x4 >> _1)) | (x5 ^ (x5 >> _1)) | (x6 ^ (x6 >> _1))
        x0, x1, x2, x3 = x0 & ~_CHECK, x1 & ~_CHECK, x2 & ~_CHECK, x3 & ~_CHECK
        x4, x5, x6 = x4 & ~_CHECK, x5 & ~_CHECK, x6 & ~_CHECK
        odd, i0, i1, i2, j0, j1, j2 = _sums(x0, x1, x2, x3, x4, x5, x6, b7[k])
        # Parity is linear: sums first, then one fold a check bit. The sums are columns.SOLUTION, written out.
        s0[k] = j0 ^ j1 ^ j2 ^ i0 ^ i1 ^ i2 ^ odd
        s1[k] = j0 ^ j1 ^ i0 ^ odd
        s2[k] = j0 ^ j2 ^ i1 ^ odd
        s3[k] = j0
        s4[k] = j1 ^ j2 ^ i2
        s5[k] = j1 ^ odd
        s6[k] = j2 ^ odd
    return bool((outside & _CHECK) == _0)


@njit(inline="never", nogil=True, cache=True)
def _put(plane: Any, sums: Any) -> None:
    for k in range(plane.size):
        plane[k] = (plane[k] & ~_CHECK) | ((_parity(sums[k]) & _LSB) << _6)


@njit(nogil=True, cache=True)
def encode(planes: Any) -> int:
    """Put check bits into planes whose held bytes (rows 0 to 6) lie in [-64, 63].

    Returns:
        How many words of each plane were encoded: fewer than there are if a held byte is outside.
    """
    size = planes.shape[1]
    sums = np.empty((7, _ENCODED), np.uint64)
    b = planes
    for begin in range(0, size, _ENCODED):
        s = slice(begin, min(begin + _ENCODED, size))
        if not _fill(b[0][s], b[1][s], b[2][s], b[3][s], b[4][s], b[5][s], b[6][s], b[7][s], sums):
            return begin
        for c in range(CHECKS):
            _put(b[c][s], sums[c])
    return int(size)


@njit(nogil=True, cache=True)
def decode(planes: Any, out: Any) -> None:
    """Replace check bits by signs; corrects nothing. ``out`` may be ``planes``."""
    for c in range(CHECKS):
        source, target = planes[c], out[c]
        for k in range(source.size):
            word = source[k]
            target[k] = (word & ~_CHECK) | ((word >> _1) & _CHECK)
    out[CHECKS, :] = planes[CHECKS, :]
