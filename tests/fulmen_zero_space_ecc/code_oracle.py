"""The code in pure Python, from the columns alone: what all others must agree with."""

from __future__ import annotations

from fulmen_zero_space_ecc.columns import BITS, CHECKS, column

CHECK_BITS = [8 * byte + 6 for byte in range(CHECKS)]


def syndrome(word: int) -> int:
    found = 0
    for bit in range(BITS):
        if word >> bit & 1:
            found ^= column(bit)
    return found


def encode(word: int) -> int:
    for bit in CHECK_BITS:
        word &= ~(1 << bit)
    for chosen in range(2**CHECKS):
        checks = sum(1 << bit for place, bit in enumerate(CHECK_BITS) if chosen >> place & 1)
        if syndrome(word | checks) == 0:
            return word | checks
    raise AssertionError("the check bits have no solution")


def decode(word: int) -> tuple[int, int]:
    """Return the weights as a word, and the status."""
    found, status = syndrome(word), 0
    if found:
        places = [bit for bit in range(BITS) if column(bit) == found]
        status = 1 if places else 2
        for bit in places:
            word ^= 1 << bit
    for bit in CHECK_BITS:
        word = word & ~(1 << bit) | (word >> 1 & 1 << bit)
    return word, status
