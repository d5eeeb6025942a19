"""The parity-check matrix of the (64, 57) code, derived: which column each bit of a block has.

A code of length 64 with 7 check bits corrects one error and detects two when its columns differ and
all have odd weight. There are exactly 64 odd columns of 7 bits and 64 bits in a block, so every odd
column is used once and nothing is left to choose but which bit has which column: the code is the
extended Hamming code [64, 57, 4]. That choice is spent on speed. Bit ``j`` of byte ``i`` has

    (1, i, j ^ TWISTS[i])    one bit, three bits, three bits: as a number 64 + 8 i + (j ^ TWISTS[i])

so that a syndrome is made of exclusive ors of whole bytes and one parity of each result. (A constant
1 makes any column's weight odd after a change of basis: sums of two have a 0 there, single ones a 1.)

Without twists (all 0) the seven free bits, bit 6 of bytes 0 to 6, would have columns of rank 4, and
no check bits could be solved for. With these they have rank 7.

Source: the free bits are those of Guan et al., NeurIPS 2019 (arXiv:1910.14479). Odd columns: Hsiao,
IBM J. Res. Dev. 14(4), 1970.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BITS = 64  # bits a block
CHECKS = 7  # check bits a block: bit 6 of bytes 0 to 6
CHECK_BIT = 6
TWISTS = (0, 0, 0, 1, 0, 2, 4, 0)

CLEAN, CORRECTED, DETECTED = 0, 1, 2  # what became of a block
NO_BIT = 255  # in POSITIONS: no single flip has this syndrome

CHECK_MASK = int.from_bytes(bytes([1 << CHECK_BIT] * CHECKS + [0]), "little")
"""The check bits of a block read as a little-endian number."""


def column(bit: int) -> int:
    """Return the column, a number in [64, 127], of a bit; bit ``8 i + j`` is bit ``j`` of byte ``i``."""
    byte, place = divmod(bit, 8)
    return 64 | byte << 3 | (place ^ TWISTS[byte])


def _check_words() -> list[int]:
    """Return, by syndrome, the one set of check bits that has it: all 2^7 sets have different ones."""
    words = [-1] * 2**CHECKS
    for chosen in range(2**CHECKS):
        bits = [8 * byte + CHECK_BIT for byte in range(CHECKS) if chosen >> byte & 1]
        syndrome = 0
        for bit in bits:
            syndrome ^= column(bit)
        words[syndrome] = sum(1 << bit for bit in bits)
    assert -1 not in words  # rank 7
    return words


def _positions() -> list[int]:
    positions = [NO_BIT] * 2**CHECKS
    for bit in range(BITS):
        positions[column(bit)] = bit
    return positions


COLUMNS: NDArray[np.uint8] = np.array([column(bit) for bit in range(BITS)], np.uint8)
"""The column of each bit, shape (64,)."""

POSITIONS: NDArray[np.uint8] = np.array(_positions(), np.uint8)
"""By syndrome, shape (128,): the bit whose flip it tells, or NO_BIT."""

CHECK_WORDS: NDArray[np.uint64] = np.array(_check_words(), np.uint64)
"""By syndrome of a block whose check bits are 0, shape (128,): the check bits that make it a codeword."""

for _table in (COLUMNS, POSITIONS, CHECK_WORDS):
    _table.setflags(write=False)
