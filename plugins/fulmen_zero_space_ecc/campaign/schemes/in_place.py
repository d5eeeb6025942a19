"""SEC-DED (64, 57) with its check bits in bit 6 of held weights: no extra byte.

Source: Guan et al., NeurIPS 2019 (arXiv:1910.14479); the code itself is that of ``code/rows.py``.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from fulmen_zero_space_ecc.campaign.faults import Bytes, Indices
from fulmen_zero_space_ecc.campaign.schemes.base import Decoded, Scheme
from fulmen_zero_space_ecc.code import arena as arenas
from fulmen_zero_space_ecc.code import rows
from fulmen_zero_space_ecc.code.concealment import log_priors, posterior_means, value_groups


class InPlace(Scheme):
    """The plugin's own protection, with the decoder that users run."""

    name = "in_place"
    summary = "SEC-DED (64, 57) in place, bit 6 of held weights read from bit 7 after it"
    unit = "block"
    policies = ("leave", "zero", "golden", "mmse")
    words = (1,)
    needs_box = True

    @property
    def units(self) -> int:
        """One per 8 bytes."""
        return self.size // 8

    def encode(self, content: Bytes) -> Bytes:
        """Put the check bits in place."""
        stored = content.copy()
        arenas.encode_(stored, self.arena.layout)
        return stored

    def units_of(self, stored_bytes: Indices) -> Indices:
        """Return the block of each byte: that of its place in the plane, or of its 8 neighbours."""
        return stored_bytes % self.units if self.arena.layout == "interleaved" else stored_bytes >> 3

    def weight_bytes(self, units: Indices) -> Indices:
        """Return the 8 bytes of each block."""
        return arenas.block_bytes(units, self.size, self.arena.layout)

    def read(self, stored: Bytes, units: Indices) -> tuple[Bytes, Bytes]:
        """Correct one flip a block, report two, extend signs."""
        weights, status = rows.decode(stored[self.weight_bytes(units)].view(np.int8))
        return weights.view(np.uint8), status.view(np.uint8)

    def decode(self, stored: Bytes) -> Decoded:
        """Read the whole arena, with the loops that run over whole arenas."""
        memory = stored.copy()
        corrected, detected = arenas.scrub_(memory, self.arena.layout)
        values = arenas.decode(memory, self.arena.layout).view(np.uint8)
        if len(detected) and self.policy != "leave":
            where = self.weight_bytes(detected)
            values[where] = self.conceal(values[where], where, stored)
        return Decoded(np.arange(self.size), values, corrected, detected)

    def conceal(self, rows: Bytes, where: Indices, stored: Bytes) -> Bytes:
        """Put posterior means into detected blocks, or what the other policies say."""
        if self.policy != "mmse":
            return super().conceal(rows, where, stored)
        memory = stored.copy()
        arenas.scrub_(memory, self.arena.layout)
        values = arenas.decode(memory, self.arena.layout).view(np.uint8)
        trusted = np.ones(self.size, np.bool_)
        trusted[where] = False
        groups = self._groups
        return posterior_means(stored[where], groups[where], log_priors(values, groups, trusted))

    @cached_property
    def _groups(self) -> Indices:
        return value_groups(self.arena.segments, self.size, self.arena.layout)
