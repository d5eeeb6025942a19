"""One parity bit per weight; a weight whose parity fails becomes 0.

Source: the baseline of Guan et al., NeurIPS 2019 (arXiv:1910.14479), after Qin et al., "Robustness of
Neural Networks against Storage Media Errors" (arXiv:1709.06173).
"""

from __future__ import annotations

import numpy as np

from fulmen_zero_space_ecc.campaign.faults import Bytes, Indices
from fulmen_zero_space_ecc.campaign.schemes.base import PerWord, popcount_odd
from fulmen_zero_space_ecc.code.columns import CLEAN, DETECTED


class ParityZero(PerWord):
    """Even parity over each weight and its bit; an even number of flips passes unseen."""

    name = "parity_zero"
    summary = "a parity bit per weight, wrong weights set to 0"

    def encode(self, content: Bytes) -> Bytes:
        """Append the parity bits, eight weights a byte, the first in bit 0."""
        parities = popcount_odd(content.reshape(-1, self.arena.word))
        return np.concatenate([content, np.packbits(parities, bitorder="little")])

    def units_of(self, stored_bytes: Indices) -> Indices:
        """Return the weight of each byte; a byte of parity bits stands for all of its eight."""
        own = stored_bytes[stored_bytes < self.size] // self.arena.word
        parity = stored_bytes[stored_bytes >= self.size] - self.size
        return np.concatenate([own, (8 * parity[:, None] + np.arange(8)).ravel()])

    def read(self, stored: Bytes, units: Indices) -> tuple[Bytes, Bytes]:
        """Return the weights, 0 where the parity fails."""
        rows = stored[self.weight_bytes(units)]
        parity = stored[self.size + (units >> 3)] >> (units & 7).astype(np.uint8) & 1
        fails = popcount_odd(rows) != parity
        rows[fails] = 0
        return rows, np.where(fails, DETECTED, CLEAN).astype(np.uint8)
