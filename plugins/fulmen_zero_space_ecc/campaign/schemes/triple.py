"""Three copies and a vote on each bit: the costly reference."""

from __future__ import annotations

import numpy as np

from fulmen_zero_space_ecc.campaign.faults import Bytes, Indices
from fulmen_zero_space_ecc.campaign.schemes.base import PerWord
from fulmen_zero_space_ecc.code.columns import CLEAN, CORRECTED


class Triple(PerWord):
    """Two more copies; the majority of each bit is read. Two flips of one bit win the vote unseen."""

    name = "triple"
    summary = "three copies, a vote on each bit"

    def encode(self, content: Bytes) -> Bytes:
        """Append the two copies."""
        return np.tile(content, 3)

    def units_of(self, stored_bytes: Indices) -> Indices:
        """Return the weight of each byte of any copy."""
        return stored_bytes % self.size // self.arena.word

    def read(self, stored: Bytes, units: Indices) -> tuple[Bytes, Bytes]:
        """Return the votes; a weight counts as corrected where its copies differ."""
        where = self.weight_bytes(units)
        a, b, c = (stored[where + copy * self.size] for copy in range(3))
        differ = ((a ^ b) | (a ^ c)).any(axis=1)
        return (a & b) | (a & c) | (b & c), np.where(differ, CORRECTED, CLEAN).astype(np.uint8)
