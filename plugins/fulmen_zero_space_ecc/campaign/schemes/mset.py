"""The most important bit of each weight three times, its copies in the two least: no extra byte.

For floating point that is the highest bit of the exponent, as MSET of Ahmadilivani et al.
(arXiv:2605.07417, 2026); its authors leave int8 open, where the sign is the bit that costs most, so
that the sign is voted on here. The bits that make room read as 0; the weight is rounded to that
beforehand, which needs no training and costs precision (2 of 8 bits in int8).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fulmen_zero_space_ecc.campaign.faults import Bytes, Indices
from fulmen_zero_space_ecc.campaign.schemes.base import PerWord
from fulmen_zero_space_ecc.code.columns import CLEAN, CORRECTED

_TYPES: dict[int, type[np.unsignedinteger[Any]]] = {1: np.uint8, 2: np.uint16, 4: np.uint32}
Words = NDArray[np.unsignedinteger[Any]]


class MostSignificantTripled(PerWord):
    """Sign (int8) or highest exponent bit (floating point) by a vote of three bits within the weight."""

    name = "mset"
    summary = "sign or top exponent bit voted with two copies in the lowest bits"

    def prepare(self) -> None:
        """Know which bit is voted on: bit 7 of int8, the bit below the sign in floating point."""
        bits = 8 * self.arena.word
        self._type = _TYPES[self.arena.word]
        self._voted = self._type(bits - 1 if self.arena.word == 1 else bits - 2)

    def encode(self, content: Bytes) -> Bytes:
        """Round the lowest two bits away and put the copies there."""
        words = self._rounded(content)
        vote = words >> self._voted & 1
        stored: Words = (words | vote | vote << 1).astype(self._type)
        return stored.view(np.uint8)

    def _rounded(self, content: Bytes) -> Words:
        if self.arena.word == 1:
            nearest = 4 * np.round(content.view(np.int8).astype(np.float32) / 4)
            return nearest.clip(-128, 124).astype(np.int8).view(np.uint8)
        words: Words = content.view(self._type)
        # Half of the last bit that stays is added before cutting; a carry moves into the exponent, as
        # it does in any rounding, but for numbers that it would make infinite or change their top bit.
        up = (words + self._type(2)) & ~self._type(3)
        down = words & ~self._type(3)
        rounded: Words = np.where((up ^ words) >> self._voted & 1, down, up).astype(self._type)
        return rounded

    def read(self, stored: Bytes, units: Indices) -> tuple[Bytes, Bytes]:
        """Return the weights with the voted bit; corrected where the three differ."""
        words: Words = stored.view(self._type)[units]
        a, b, c = words >> self._voted & 1, words & 1, words >> 1 & 1
        vote = ((a & b) | (a & c) | (b & c)).astype(self._type)
        cut = words & ~(self._type(3) | self._type(1) << self._voted)
        values: Words = (cut | vote << self._voted).astype(self._type)
        status = np.where((a != b) | (a != c), CORRECTED, CLEAN).astype(np.uint8)
        return values.view(np.uint8).reshape(len(units), self.arena.word), status
