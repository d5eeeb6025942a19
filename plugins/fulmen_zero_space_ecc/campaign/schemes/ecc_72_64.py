"""Ordinary ECC memory: a check byte for each 8 bytes, with and without a decoder that knows the box."""

from __future__ import annotations

import numpy as np

from fulmen_zero_space_ecc.campaign.faults import Bytes, Indices
from fulmen_zero_space_ecc.campaign.schemes.base import Scheme
from fulmen_zero_space_ecc.campaign.schemes.sign_extension import extend_sign
from fulmen_zero_space_ecc.code.hsiao import check_bytes, correct


class Ecc7264(Scheme):
    """Hsiao's SEC-DED code over 8 neighbouring bytes; the check bytes follow the weights."""

    name = "ecc_72_64"
    summary = "SEC-DED (72, 64), a check byte per 8"
    unit = "block"
    policies = ("leave", "zero", "golden")

    @property
    def units(self) -> int:
        """One per 8 bytes."""
        return self.size // 8

    def encode(self, content: Bytes) -> Bytes:
        """Append the check bytes."""
        return np.concatenate([content, check_bytes(content.reshape(-1, 8))])

    def units_of(self, stored_bytes: Indices) -> Indices:
        """Return the block of each byte."""
        return np.where(stored_bytes < self.size, stored_bytes >> 3, stored_bytes - self.size)

    def weight_bytes(self, units: Indices) -> Indices:
        """Return the 8 neighbouring bytes of each block."""
        return units[:, None] * 8 + np.arange(8)

    def read(self, stored: Bytes, units: Indices) -> tuple[Bytes, Bytes]:
        """Correct one flip a block, report two."""
        return correct(stored[self.weight_bytes(units)], stored[self.size + units])


class Ecc7264SignExtended(Ecc7264):
    """The same, its decoder knowing that held weights lie in [-64, 63]."""

    name = "ecc_72_64_signed"
    summary = "SEC-DED (72, 64), bit 6 of held weights read from bit 7 after it"
    words = (1,)
    needs_box = True

    def read(self, stored: Bytes, units: Indices) -> tuple[Bytes, Bytes]:
        """Correct, then extend signs."""
        assert self.arena.held is not None
        rows, status = super().read(stored, units)
        return extend_sign(rows, self.arena.held[self.weight_bytes(units)]), status
