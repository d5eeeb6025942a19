"""No protection: what is stored is read."""

from __future__ import annotations

import numpy as np

from fulmen_zero_space_ecc.campaign.faults import Bytes, Indices
from fulmen_zero_space_ecc.campaign.schemes.base import PerWord


class Unprotected(PerWord):
    """The weights alone."""

    name = "none"
    summary = "no protection"

    def encode(self, content: Bytes) -> Bytes:
        """Return a copy."""
        return content.copy()

    def read(self, stored: Bytes, units: Indices) -> tuple[Bytes, Bytes]:
        """Return the weights as they are stored."""
        return stored[self.weight_bytes(units)], np.zeros(len(units), np.uint8)
