"""Numbers that stay floating-point (biases, normalisations, scales) under a code of their own.

Three methods, for a buffer of float32 of even length, two numbers being a word of 64 bits:

- ``mantissa``: SEC-DED (64, 57) whose check bits are the last 4 bits of the first mantissa and the last
  3 of the second. No byte is added; a number changes by at most 15 parts in 2^23, that is 1.8e-6 of
  itself. (The columns of columns.py have rank 5 in these places; here they are dealt out anew.)
- ``secded72``: SEC-DED (72, 64) with a byte of check bits a word beside the buffer: 1/8 more, exact.
- ``triple``: two more copies beside the buffer, and a vote bit by bit: 2/1 more, exact.

Source: Hsiao, IBM J. Res. Dev. 14 (1970), for odd columns; check bits in mantissas are fulmen's.
"""

from __future__ import annotations

import itertools
from typing import Any, Literal, get_args

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fulmen_zero_space_ecc.code import hsiao
from fulmen_zero_space_ecc.code.arena import Scrubbed

Method = Literal["mantissa", "secded72", "triple"]
METHODS: tuple[str, ...] = get_args(Method)

Numbers = NDArray[np.float32]
Spare = NDArray[np.uint8]

_IN_MANTISSAS = (0, 1, 2, 3, 32, 33, 34)  # bits of the word, little-endian
_1 = np.uint64(1)


def spare_bytes(count: int, method: Method) -> int:
    """Return how many bytes a method keeps beside ``count`` numbers, an even number of them."""
    return {"mantissa": 0, "secded72": count // 2, "triple": 8 * count}[method]


def encode_(numbers: Numbers, method: Method = "mantissa") -> Spare:
    """Put numbers under a code, in place.

    Args:
        numbers: float32, 1-D, contiguous, of even length, finite.
        method: ``mantissa``, ``secded72`` or ``triple``.

    Returns:
        What is kept beside them: uint8, `spare_bytes` of them.
    """
    words = _words(numbers)
    spare = np.zeros(spare_bytes(numbers.size, method), np.uint8)
    if method == "triple":
        spare.view(np.uint64).reshape(2, -1)[:] = words
    elif method == "mantissa":
        _encode_inside(words, _MANTISSA_TABLE, _MANTISSA_MASK, _MANTISSA_SOLUTION)
    else:
        _syndromes(words, _HSIAO_TABLE, spare)
    return spare


def scrub_(numbers: Numbers, spare: Spare, method: Method = "mantissa") -> Scrubbed:
    """Set wrong bits right in place, in the numbers and in what is beside them.

    Returns:
        How many bits were corrected, and which words (pairs of numbers) have two wrong bits; these
        stay as they are. ``triple`` corrects any number of bits that are wrong in one copy alone.
    """
    words = _words(numbers)
    if method == "triple":
        return Scrubbed(_vote(words, spare.view(np.uint64).reshape(2, -1)), np.empty(0, np.int64))
    if method == "mantissa":
        spare = np.zeros(words.size, np.uint8)  # the check bits are inside: nothing beside them
        table, position = _MANTISSA_TABLE, _MANTISSA_POSITION
    else:
        table, position = _HSIAO_TABLE, _HSIAO_POSITION
    room = np.empty(words.size, np.int64)
    corrected, detected = _scrub(words, spare, table, position, room)
    return Scrubbed(corrected, room[:detected])


def _words(numbers: Numbers) -> NDArray[np.uint64]:
    if numbers.dtype != np.float32 or numbers.ndim != 1 or numbers.size % 2:
        raise ValueError(
            f"numbers: {numbers.dtype} of shape {numbers.shape}; float32, 1-D, of even length is expected."
        )
    return numbers.view(np.uint64)


# The codes ---------------------------------------------------------------------------------------------


def _mantissa_columns() -> list[int]:
    """All 64 odd words of 7 bits; the check bits have those of rank 7: 1000000 with 0, 1, 2, 4, ... more."""
    own = [64, *(64 | 1 << bit for bit in range(6))]
    others = iter(column for column in range(64, 128) if column not in own)
    checks = dict(zip(_IN_MANTISSAS, own, strict=True))
    return [checks[bit] if bit in checks else next(others) for bit in range(64)]


def _table(columns: list[int]) -> NDArray[np.uint8]:
    """For each of the 8 bytes of a word and each of its values, what it adds to the syndrome."""
    table = np.zeros((8, 256), np.uint8)
    for bit, column in enumerate(columns):
        byte, place = divmod(bit, 8)
        table[byte, (np.arange(256) >> place & 1).astype(bool)] ^= column
    return table


def _position(columns: list[int], beside: list[int]) -> NDArray[np.uint8]:
    """For each syndrome the bit that it names: 0-63 in the word, 64-71 beside it, 255 none."""
    table = np.full(256, 255, np.uint8)
    for bit, column in enumerate([*columns, *beside]):
        table[column] = bit
    return table


def _solution(columns: list[int]) -> NDArray[np.uint64]:
    """For each syndrome, the check bits inside the word that cancel it."""
    table = np.zeros(128, np.uint64)
    for chosen in itertools.product((0, 1), repeat=len(_IN_MANTISSAS)):
        syndrome = word = 0
        for bit, taken in zip(_IN_MANTISSAS, chosen, strict=True):
            if taken:
                syndrome ^= columns[bit]
                word |= 1 << bit
        table[syndrome] = word
    return table


_MANTISSA_TABLE = _table(_mantissa_columns())
_MANTISSA_POSITION = _position(_mantissa_columns(), [])
_MANTISSA_SOLUTION = _solution(_mantissa_columns())
_MANTISSA_MASK = np.uint64(sum(1 << bit for bit in _IN_MANTISSAS))
_HSIAO_TABLE = _table(hsiao.columns())
_HSIAO_POSITION = _position(hsiao.columns(), [1 << row for row in range(8)])


@njit(inline="always")
def _syndrome(word, table):  # type: ignore[no-untyped-def]
    found = np.uint8(0)
    for byte in range(8):
        found ^= table[byte, (word >> np.uint64(8 * byte)) & np.uint64(255)]
    return found


@njit(cache=True, nogil=True)
def _encode_inside(words: Any, table: Any, mask: Any, solution: Any) -> None:
    for k in range(words.size):
        word = words[k] & ~mask
        words[k] = word | solution[_syndrome(word, table)]


@njit(cache=True, nogil=True)
def _syndromes(words: Any, table: Any, out: Any) -> None:
    for k in range(words.size):
        out[k] = _syndrome(words[k], table)


@njit(cache=True, nogil=True)
def _scrub(words: Any, spare: Any, table: Any, position: Any, detected: Any) -> tuple[int, int]:
    corrected = doubles = 0
    for k in range(words.size):
        syndrome = _syndrome(words[k], table) ^ spare[k]
        if syndrome == 0:
            continue
        bit = position[syndrome]
        if bit < 64:
            words[k] ^= _1 << np.uint64(bit)
            corrected += 1
        elif bit < 72:
            spare[k] ^= np.uint8(1) << np.uint8(bit - 64)
            corrected += 1
        else:
            detected[doubles] = k
            doubles += 1
    return corrected, doubles


def _vote(words: NDArray[np.uint64], copies: NDArray[np.uint64]) -> int:
    one, two = copies
    right = (words & one) | (words & two) | (one & two)
    wrong = sum(int(np.bitwise_count(copy ^ right).sum()) for copy in (words, one, two))
    words[:], one[:], two[:] = right, right, right
    return wrong
