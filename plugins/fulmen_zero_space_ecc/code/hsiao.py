"""The (72, 64) SEC-DED code of ordinary ECC memory.

Columns of the check matrix: for the 64 data bits, all 56 of weight 3 and 8 of weight 5, the
rotations of 00011111; for the 8 check bits, the unit vectors. All have odd weight, so that two flips
never look like one; each row has 27 ones, the least possible, evenly.

Source: Hsiao, "A Class of Optimal Minimum Odd-weight-column SEC-DED Codes", IBM J. Res. Dev. 14 (1970).
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fulmen_zero_space_ecc.code.columns import CLEAN, CORRECTED, DETECTED

Bytes = NDArray[np.uint8]

_CHECK_BIT, _NO_COLUMN = 64, 255


def columns() -> list[int]:
    """Return the columns of the 64 data bits; bit ``p`` of the word is bit ``p % 8`` of byte ``p // 8``."""
    three = [sum(1 << bit for bit in bits) for bits in combinations(range(8), 3)]
    five = [(0b00011111 << turn | 0b00011111 >> 8 - turn) & 0xFF for turn in range(8)]
    return three + five


@cache
def _tables() -> tuple[Bytes, Bytes]:
    """Return the check byte of each byte value at each place, and which bit each syndrome means."""
    bits = np.array(columns(), np.uint8).reshape(8, 8)
    values = np.arange(256)
    checks = np.zeros((8, 256), np.uint8)
    for bit in range(8):
        checks ^= np.where(values >> bit & 1, bits[:, bit, None], 0).astype(np.uint8)
    meaning = np.full(256, _NO_COLUMN, np.uint8)
    meaning[columns()] = range(64)
    meaning[[1 << bit for bit in range(8)]] = _CHECK_BIT
    return checks, meaning


def check_bytes(rows: Bytes) -> Bytes:
    """Return the check byte of each row: uint8 (n,), from uint8 (n, 8)."""
    checks, _ = _tables()
    sums: Bytes = np.bitwise_xor.reduce(checks[np.arange(8), rows], axis=1)
    return sums


def correct(rows: Bytes, stored_checks: Bytes) -> tuple[Bytes, Bytes]:
    """Return corrected rows and the status of each; detected ones as they are.

    Args:
        rows: uint8, shape (n, 8).
        stored_checks: uint8, shape (n,).
    """
    _, meaning = _tables()
    syndrome = check_bytes(rows) ^ stored_checks
    bit = meaning[syndrome]
    status = np.where(syndrome == 0, CLEAN, np.where(bit == _NO_COLUMN, DETECTED, CORRECTED)).astype(np.uint8)
    mend = np.flatnonzero(bit < _CHECK_BIT)
    mended = rows.copy()
    mended[mend, bit[mend] >> 3] ^= np.left_shift(1, bit[mend] & 7).astype(np.uint8)
    return mended, status
