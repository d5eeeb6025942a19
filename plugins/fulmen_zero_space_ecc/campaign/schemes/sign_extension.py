"""Sign extension alone: what the box of in-place protection gives without any code (the control)."""

from __future__ import annotations

import numpy as np

from fulmen_zero_space_ecc.campaign.faults import Bytes, Indices
from fulmen_zero_space_ecc.campaign.schemes.base import PerWord


class SignExtension(PerWord):
    """Bit 6 of a held weight equals its sign, bit 7, whatever memory says: faults in it do nothing."""

    name = "sign_extension"
    summary = "bit 6 of held weights read from bit 7, no code"
    words = (1,)
    needs_box = True

    def encode(self, content: Bytes) -> Bytes:
        """Return a copy: in [-64, 63], bit 6 equals bit 7 already."""
        return content.copy()

    def read(self, stored: Bytes, units: Indices) -> tuple[Bytes, Bytes]:
        """Return the weights, held ones sign-extended."""
        assert self.arena.held is not None
        where = self.weight_bytes(units)
        return extend_sign(stored[where], self.arena.held[where]), np.zeros(len(units), np.uint8)


def extend_sign(values: Bytes, held: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Bytes:
    """Return int8 values (as uint8) with bit 6 copied from bit 7 where they are held."""
    extended = (values & 0xBF) | ((values >> 1) & 0x40)
    return np.where(held, extended, values)
