"""The (64, 57) code by its numbers: which column of the parity-check matrix each bit of a block has.

A block is 8 bytes. Bit ``j`` of byte ``i`` has the column ``(1, i, j xor T[i])``: 1 bit, 3 bits, 3 bits.
The 64 columns are all odd words of 7 bits (odd: the first bit is 1), each once, so that

- one flip gives the column of its bit, an odd syndrome that no other flip gives: corrected;
- two flips give the sum of two different odd columns, which is even and not 0: detected;
- three flips give an odd syndrome, which is the column of some fourth bit: always miscorrected.

Check bits stand in bit 6 of bytes 0 to 6. Their columns ``(1, i, 6 xor T[i])`` have rank 7, thanks to
``T``, so that seven check bits can be solved for. (With T = 0, where a bit's column is its position,
they have rank 4.) What bits of byte ``i`` add to the syndrome beyond their position is ``T[i]``, which
is not 0 in the bytes 3, 5 and 6 alone: so the syndrome is a fold of the word upon itself, of shifts
and exclusive ors, and three corrections.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BITS = 64  # of a block
CHECKS = 7  # of them check bits: bit 6 of bytes 0 to 6
ODD = 64  # the bit of a syndrome that says whether the number of flips is odd
T = (0, 0, 0, 1, 0, 2, 4, 0)

CLEAN, CORRECTED, DETECTED = 0, 1, 2  # the status of a block


def column(bit: int) -> int:
    """Return the column of a bit of a block, 0 to 63, bit ``j`` of byte ``i`` being ``8 i + j``."""
    byte, place = divmod(bit, 8)
    return ODD | byte << 3 | place ^ T[byte]


def _position_of() -> NDArray[np.uint8]:
    table = np.full(2 * BITS, 255, np.uint8)
    for bit in range(BITS):
        table[column(bit)] = bit
    return table


def _solution_of() -> NDArray[np.uint64]:
    """For each syndrome, the check bits that cancel it, as they stand in a little-endian word."""
    table = np.zeros(2 * BITS, np.uint64)
    for chosen in range(2**CHECKS):
        syndrome = word = 0
        for byte in range(CHECKS):
            if chosen >> byte & 1:
                syndrome ^= column(8 * byte + 6)
                word |= 1 << 8 * byte + 6
        table[syndrome] = word
    return table


POSITION = _position_of()  # of the bit that an odd syndrome names; 255 for even ones
SOLUTION = _solution_of()
