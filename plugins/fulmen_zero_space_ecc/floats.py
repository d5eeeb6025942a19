"""Protection of what stays in float32: biases, normalisation parameters, scales.

Three ways, over all such numbers of a model as one vector:

lsb       the seven check bits of a (64, 57) SEC-DED code over each pair of numbers take the place of
          mantissa bits: four of the first, three of the second. No byte is added (4 for the vector, if
          its length is odd), a number changes by at most 15 / 2^23 = 1.8e-6 of itself.
triple    two more copies, and a vote over each bit: 8 bytes a number.
secded72  the (72, 64) code of memory modules (Hsiao): one check byte a pair of numbers, which stay as
          they are.

In ``lsb`` the bits that are check bits decide the columns: under those of columns.py these seven would
have rank 5 at most. Here they have the seven unit vectors and all other bits the other odd columns, in
rising order, so that check bit r is plainly the parity of row r.

Source: Hsiao, IBM J. Res. Dev. 14(4), 1970 (odd-weight columns).
"""

from __future__ import annotations

import functools
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Scheme = Literal["lsb", "triple", "secded72"]
Floats = NDArray[np.float32]
Words = NDArray[np.uint64]

LSB_CHECKS = (0, 1, 2, 3, 32, 33, 34)  # bits of a pair, the first number in bits 0 to 31
LARGEST_CHANGE = 15 / 2**23  # of a number that is not subnormal
_LSB_MASK = np.uint64(sum(1 << bit for bit in LSB_CHECKS))
_NO_BIT = 255


class Mended(NamedTuple):
    """What a scrub did.

    Attributes:
        corrected: Pairs of numbers in which one flipped bit was put right.
        detected: int64, the numbers of the pairs in which an even number was found; left as they are.
    """

    corrected: int
    detected: NDArray[np.int64]


def extra_bytes(scheme: Scheme, count: int) -> int:
    """Return the bytes that a scheme adds to ``count`` numbers of 4 bytes, padding included."""
    padding = 4 * (count % 2)
    return {"lsb": padding, "triple": 8 * count, "secded72": padding + (count + 1) // 2}[scheme]


def padded(values: Floats) -> Floats:
    """Return a copy, with a 0 at its end where the number of values is odd."""
    return np.append(values, np.zeros(len(values) % 2, np.float32)).astype(np.float32)


def encode_lsb_(values: Floats) -> None:
    """Write check bits into the mantissas, in place. Doing so twice changes nothing.

    Args:
        values: float32, contiguous, an even number of them (see `padded`); finite.

    Raises:
        ValueError: the type or length is another, or a value is NaN or infinite: in these the mantissa
            says which it is.
    """
    words = _pairs(values)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise ValueError(
            f"{len(wrong):,} values are NaN or infinite, the first is value {wrong[0]}; only finite ones can "
            "carry check bits. Mend the model, or choose triple copies."
        )
    words &= ~_LSB_MASK
    words |= _spread(_syndromes(words, _lsb_columns()))


def scrub_lsb_(values: Floats) -> Mended:
    """Correct every pair of values with one flipped bit, in place, and tell which have two."""
    words = _pairs(values)
    return _flip_back(words, _syndromes(words, _lsb_columns()), _lsb_columns())


def encode_72(values: Floats) -> NDArray[np.uint8]:
    """Return the check bytes of pairs of values, uint8, one a pair; the values stay as they are."""
    return _syndromes(_pairs(values), _hsiao_columns())


def scrub_72_(values: Floats, checks: NDArray[np.uint8]) -> Mended:
    """Correct every pair of values, its check byte included, with one flipped bit, in place."""
    words = _pairs(values)
    if checks.shape != words.shape:
        raise ValueError(f"{len(words)} pairs of values need as many check bytes; there are {checks.size}.")
    columns = _hsiao_columns()
    syndromes = _syndromes(words, columns) ^ checks
    in_check_byte = np.isin(syndromes, 1 << np.arange(8))
    checks[in_check_byte] ^= syndromes[in_check_byte]
    mended = _flip_back(words, np.where(in_check_byte, 0, syndromes).astype(np.uint8), columns)
    return Mended(mended.corrected + int(in_check_byte.sum()), mended.detected)


def triple(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return three copies of bytes, one after the other, shape (3, n)."""
    return np.tile(data, (3, 1))


def vote_(copies: NDArray[np.uint8]) -> int:
    """Make three copies agree, in place, each bit by majority.

    Args:
        copies: uint8, shape (3, n).

    Returns:
        In how many of the n places the copies disagreed. A bit that two copies got wrong is lost
        without a sign.
    """
    a, b, c = copies
    agreed = (a & b) | (a & c) | (b & c)
    wrong = int(((a ^ agreed) | (b ^ agreed) | (c ^ agreed)).astype(np.bool_).sum())
    copies[:] = agreed
    return wrong


def _pairs(values: Floats) -> Words:
    if values.dtype != np.float32 or values.ndim != 1 or not values.flags.c_contiguous or len(values) % 2:
        raise ValueError(
            f"values are {values.dtype} of shape {values.shape}; a contiguous float32 vector of even length "
            "is needed."
        )
    return values.view(np.uint64)


def _lsb_columns() -> tuple[int, ...]:
    odd = iter(sorted(n for n in range(128) if n.bit_count() % 2 and n.bit_count() > 1))
    units = {bit: 1 << row for row, bit in enumerate(LSB_CHECKS)}
    return tuple(units[bit] if bit in units else next(odd) for bit in range(64))


def _hsiao_columns() -> tuple[int, ...]:
    """Return 64 of the odd columns of 8 bits that are no unit: all 56 of weight 3, and 8 of weight 5.

    The eight are the rotations of one, so that every check bit is the parity of 26 data bits.
    """
    threes = [n for n in range(256) if n.bit_count() == 3]
    fives = [(0b00011111 << turn | 0b00011111 >> (8 - turn)) & 0xFF for turn in range(8)]
    return tuple(threes + fives)


@functools.cache
def _tables(columns: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the syndromes of each value of each byte of a word, shape (8, 256)."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    by_byte = np.array(columns, np.uint8).reshape(8, 1, 8)
    return np.bitwise_xor.reduce(bits * by_byte, axis=2)


def _syndromes(words: Words, columns: tuple[int, ...]) -> NDArray[np.uint8]:
    rows = words.view(np.uint8).reshape(-1, 8)
    return np.bitwise_xor.reduce(_tables(columns)[np.arange(8), rows], axis=1)


def _spread(checks: NDArray[np.uint8]) -> Words:
    words = np.zeros(checks.shape, np.uint64)
    for row, bit in enumerate(LSB_CHECKS):
        words |= ((checks >> row) & 1).astype(np.uint64) << np.uint64(bit)
    return words


def _flip_back(words: Words, syndromes: NDArray[np.uint8], columns: tuple[int, ...]) -> Mended:
    positions = np.full(256, _NO_BIT, np.uint8)
    positions[list(columns)] = np.arange(64)
    bits = positions[syndromes]
    single = np.flatnonzero(bits != _NO_BIT)
    words[single] ^= np.uint64(1) << bits[single].astype(np.uint64)
    return Mended(len(single), np.flatnonzero((syndromes != 0) & (bits == _NO_BIT)))
