"""A CRC32C for each 4 KiB; a page whose sum fails is read again from a copy that is trusted.

What it needs and the others do not: a second copy of the weights without faults (flash, a file, a
server), and the time to read it. Only flips that leave the sum as it was pass: none of up to three in
a page of this size.
"""

from __future__ import annotations

import numpy as np

from fulmen_zero_space_ecc.campaign.faults import Bytes, Indices
from fulmen_zero_space_ecc.campaign.schemes.base import Scheme
from fulmen_zero_space_ecc.campaign.schemes.crc32c import crc32c
from fulmen_zero_space_ecc.code.columns import CLEAN, CORRECTED

PAGE = 4096


class ChecksumReload(Scheme):
    """Sums lie behind the weights, 4 bytes a page, little-endian; a fault in one reloads its page."""

    name = "checksum_reload"
    summary = "CRC32C per 4 KiB, wrong pages read again from a trusted copy"
    unit = "page"
    ragged = True  # the last page ends where the arena does

    @property
    def units(self) -> int:
        """One per 4 KiB begun."""
        return -(-self.size // PAGE)

    @property
    def golden_bytes(self) -> int:
        """The trusted copy."""
        return self.size

    def encode(self, content: Bytes) -> Bytes:
        """Append the sums."""
        sums = self._sums(content, np.arange(self.units))
        return np.concatenate([content, sums.astype("<u4").view(np.uint8)])

    def units_of(self, stored_bytes: Indices) -> Indices:
        """Return the page of each byte."""
        return np.where(stored_bytes < self.size, stored_bytes // PAGE, (stored_bytes - self.size) // 4)

    def weight_bytes(self, units: Indices) -> Indices:
        """Return the bytes of each page, -1 beyond the arena's end."""
        where = units[:, None] * PAGE + np.arange(PAGE)
        return np.where(where < self.size, where, -1)

    def read(self, stored: Bytes, units: Indices) -> tuple[Bytes, Bytes]:
        """Return pages as they are stored, or from the trusted copy where their sum fails."""
        sums = stored[self.size :].view("<u4")[units]
        fails = sums != self._sums(stored, units)
        where = self.weight_bytes(units)
        rows = np.where(fails[:, None], self.arena.content[where], stored[where])
        return rows, np.where(fails, CORRECTED, CLEAN).astype(np.uint8)

    def _sums(self, memory: Bytes, units: Indices) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
        sums = np.empty(len(units), np.uint32)
        whole = (units + 1) * PAGE <= self.size
        sums[whole] = crc32c(memory[units[whole, None] * PAGE + np.arange(PAGE)])
        for index in np.flatnonzero(~whole):  # the last page alone
            sums[index] = crc32c(memory[None, units[index] * PAGE : self.size])[0]
        return sums
