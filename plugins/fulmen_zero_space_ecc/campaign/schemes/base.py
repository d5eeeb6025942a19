"""What a protection of memory is: bytes stored, and what is read from them after faults.

All protections decode unit by unit (a weight, a block, a page), so that after faults only the units
that they touched need decoding: the rest is known to be as it was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fulmen_zero_space_ecc.campaign.faults import Bytes, Indices
from fulmen_zero_space_ecc.code.columns import CORRECTED, DETECTED
from fulmen_zero_space_ecc.weights.placement import Layout

_NO_INDICES, _NO_BYTES = np.empty(0, np.int64), np.empty(0, np.uint8)

POLICIES = ("leave", "zero", "golden", "mmse")


@dataclass(frozen=True)
class Arena:
    """The weights to protect.

    Attributes:
        content: uint8, shape (bytes,), a multiple of 64: the words of all weights, then zeros.
        word: Bytes a weight: 1 for int8, 4 for float32, 2 for bfloat16; little-endian.
        layout: How bytes form blocks where a scheme leaves that open.
        held: bool, shape (bytes,): which bytes lie in [-64, 63]; None: nobody held them there.
        segments: The byte range of each weight tensor, in order: what shares a distribution.
    """

    content: Bytes
    word: int = 1
    layout: Layout = "interleaved"
    held: NDArray[np.bool_] | None = None
    segments: tuple[tuple[int, int], ...] = ()

    @property
    def size(self) -> int:
        """Bytes of the weights, padding included."""
        return len(self.content)


@dataclass(frozen=True)
class Decoded:
    """What a scheme read.

    Attributes:
        where: int64: the bytes of the arena that were decoded.
        values: uint8, of the same shape: what they are now.
        corrected: How many units the scheme says it mended.
        detected: int64: the units that it knows are wrong.
    """

    where: Indices
    values: Bytes
    corrected: int = 0
    detected: Indices = field(default_factory=lambda: np.empty(0, np.int64))


class Scheme(ABC):
    """A protection of the weights of one arena.

    Attributes:
        stored: uint8, shape (size + extra_bytes,): what lies in memory. The first ``size`` bytes are
            those of the weights, in the order of the arena, so that all schemes share their bits.
        clean: uint8, shape (size,): what is read without faults; not always the arena itself.

    Args:
        arena: The weights.
        policy: What becomes of units known to be wrong.

    Raises:
        ValueError: the scheme cannot protect this arena, or does not know the policy.
    """

    name: ClassVar[str]
    unit: ClassVar[str] = "weight"
    summary: ClassVar[str]
    policies: ClassVar[tuple[str, ...]] = ()  # for units known to be wrong; none: the scheme decides
    words: ClassVar[tuple[int, ...]] = (1, 2, 4)  # bytes a weight that it can protect
    needs_box: ClassVar[bool] = False  # whether held weights must lie in [-64, 63]

    def __init__(self, arena: Arena, policy: str = "leave") -> None:
        if arena.word not in self.words:
            raise ValueError(f"scheme {self.name} protects int8 weights only")
        if self.needs_box and arena.held is None:
            raise ValueError(f"scheme {self.name} needs weights held in [-64, 63]")
        if policy != "leave" and policy not in self.policies:
            raise ValueError(f"scheme {self.name} has no policy {policy!r}")
        self.arena = arena
        self.size = arena.size
        self.policy = policy
        self.prepare()
        self.stored = self.encode(arena.content)
        self.clean = self.decode(self.stored).values

    def prepare(self) -> None:  # noqa: B027  (a scheme without tables has nothing to prepare)
        """Build tables before the first encoding."""

    @property
    def label(self) -> str:
        """The name, with the policy where it is not the default."""
        return self.name if self.policy == "leave" else f"{self.name}+{self.policy}"

    @property
    def extra_bytes(self) -> int:
        """Bytes stored beyond those of the weights; they meet faults as well."""
        return len(self.stored) - self.size

    @property
    def golden_bytes(self) -> int:
        """Bytes of a second copy that is trusted to have no faults, outside of this memory."""
        return self.size if self.policy == "golden" else 0

    @property
    @abstractmethod
    def units(self) -> int:
        """How many units there are."""

    @abstractmethod
    def encode(self, content: Bytes) -> Bytes:
        """Return the bytes to store: the weights' own first, check bytes after them."""

    @abstractmethod
    def units_of(self, stored_bytes: Indices) -> Indices:
        """Return the unit of each of these stored bytes."""

    @abstractmethod
    def weight_bytes(self, units: Indices) -> Indices:
        """Return which bytes of the arena each unit gives: int64 (units, bytes), -1 where none."""

    @abstractmethod
    def read(self, stored: Bytes, units: Indices) -> tuple[Bytes, Bytes]:
        """Decode units, detected ones as they are.

        Returns:
            Their bytes, uint8 (units, bytes), and the status of each, uint8 (units,).
        """

    def decode(self, stored: Bytes) -> Decoded:
        """Read the whole arena, ``values`` in its order."""
        every = np.arange(self.units)
        decoded = self.decode_units(stored, every)
        values = np.empty(self.size, np.uint8)
        values[decoded.where] = decoded.values
        return Decoded(np.arange(self.size), values, decoded.corrected, decoded.detected)

    def decode_touched(self, stored: Bytes, flips: Indices) -> Decoded:
        """Read the units that these flipped bits lie in; all others are as without faults."""
        return self.decode_units(stored, distinct(self.units_of(flips >> 3)))

    def decode_units(self, stored: Bytes, units: Indices) -> Decoded:
        """Read some units, and do with detected ones what the policy says."""
        rows, status = self.read(stored, units)
        where = self.weight_bytes(units)
        lost = status == DETECTED
        detected = units[lost]
        if len(detected) and self.policy != "leave":
            rows[lost] = self.conceal(rows[lost], where[lost], stored)
        corrected = int((status == CORRECTED).sum())
        where, values = where.ravel(), rows.ravel()
        if self.ragged:
            values, where = values[where >= 0], where[where >= 0]
        return Decoded(where, values, corrected, detected)

    ragged: ClassVar[bool] = False  # whether units may be of different sizes

    def conceal(self, rows: Bytes, where: Indices, stored: Bytes) -> Bytes:
        """Return what stands in for detected units.

        Args:
            rows: uint8 (units, bytes): as they were read.
            where: int64 (units, bytes): the bytes of the arena that they give.
            stored: The whole memory.
        """
        if self.policy == "golden":
            return self.arena.content[where]
        return np.zeros_like(rows)

    def wrong(self, decoded: Decoded) -> tuple[Indices, Bytes, int]:
        """Return which bytes came out wrong, their values, and how many units are wrong unreported."""
        differ = decoded.values != self.clean[decoded.where]
        if not differ.any():
            return _NO_INDICES, _NO_BYTES, 0
        where, values = decoded.where[differ], decoded.values[differ]
        units = distinct(self.units_of(where))
        return where, values, int((~np.isin(units, decoded.detected)).sum())


class PerWord(Scheme):
    """A scheme whose unit is one weight."""

    unit = "weight"

    @property
    def units(self) -> int:
        """One per weight, padding included."""
        return self.size // self.arena.word

    def units_of(self, stored_bytes: Indices) -> Indices:
        """Return the weight of each byte."""
        return stored_bytes // self.arena.word

    def weight_bytes(self, units: Indices) -> Indices:
        """Return the bytes of each weight."""
        return units[:, None] * self.arena.word + np.arange(self.arena.word)


def distinct(numbers: Indices) -> Indices:
    """Return the numbers sorted, each once."""
    numbers = np.sort(numbers)
    if len(numbers) < 2:
        return numbers
    keep = np.empty(len(numbers), np.bool_)
    keep[0] = True
    np.not_equal(numbers[1:], numbers[:-1], out=keep[1:])
    return numbers[keep]


def popcount_odd(rows: Bytes) -> Bytes:
    """Return the parity of all bits in each row: uint8 (rows,), from uint8 (rows, bytes)."""
    folded: Bytes = np.bitwise_xor.reduce(rows, axis=1)
    return np.bitwise_count(folded) & np.uint8(1)
