"""What faults do to a memory: which bits of a flat space they hit, drawn from keyed streams.

A memory is a row of bits; bit ``p`` is bit ``p % 8`` of byte ``p // 8``, bit 0 the least. A fault model
says which bits are hit at a rate: the share of all bits that is hit on average. Each trial draws from
a stream of its own, keyed by what is drawn and not by who draws it. So all protections meet the same
faults in the bits that they share, in whatever order or process they are tried.

The published campaigns take ``int(bits * rate)`` flips, which is 0 for small models at small rates;
``exact`` is that, ``independent`` draws how many from the binomial distribution instead.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Indices = NDArray[np.int64]

_FEW = 1 / 8  # of all bits; up to here, drawing again what was drawn twice costs least


@dataclass(frozen=True)
class Faults:
    """The faults of one trial.

    Attributes:
        positions: int64, sorted, distinct: which bits are hit.
        stuck_at: None: they flip. Else uint8 of the same shape, the value each is stuck at.
    """

    positions: Indices
    stuck_at: Bytes | None = None

    def flips(self, memory: Bytes) -> Indices:
        """Return which bits differ afterwards, in a memory with this content (uint8, shape (bytes,))."""
        if self.stuck_at is None:
            return self.positions
        held = memory[self.positions >> 3] >> (self.positions & 7).astype(np.uint8) & 1
        differing: Indices = self.positions[held != self.stuck_at]
        return differing

    def digest(self) -> str:
        """Return 16 hexadecimal digits that tell these faults from others."""
        digest = hashlib.blake2b(self.positions.tobytes(), digest_size=8)
        if self.stuck_at is not None:
            digest.update(self.stuck_at.tobytes())
        return digest.hexdigest()


def flip_(memory: Bytes, positions: Indices) -> None:
    """Flip bits in place; flipping them again undoes it.

    Args:
        memory: uint8, shape (bytes,).
        positions: int64, distinct bits of it.
    """
    masks = np.left_shift(1, positions & 7).astype(np.uint8)
    np.bitwise_xor.at(memory, positions >> 3, masks)


def stream(seed: int, *keys: str | int | float) -> np.random.Generator:
    """Return the random stream of one thing, such as ``("independent", 1e-3, trial)``.

    Counter-based (Philox, Salmon et al., SC 2011), its 128-bit key a hash of seed and keys: streams
    with different keys are independent for all practical purposes.
    """
    digest = hashlib.blake2b(repr((int(seed), *keys)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(_Key(digest)))  # type: ignore[arg-type]


class _Key(ISeedSequence):
    """A key as a seed: ``Philox(key=...)`` would ask the system for entropy first, and then drop it."""

    def __init__(self, digest: bytes) -> None:
        self.words = np.frombuffer(digest, "<u8")

    def generate_state(self, n_words: int, dtype: Any = np.uint64) -> Any:
        """Return the key."""
        assert (n_words, dtype) == (2, np.uint64)
        return self.words


def draw_distinct(generator: np.random.Generator, size: int, count: int) -> Indices:
    """Return distinct integers of [0, size), each choice of ``count`` as likely as any other; sorted."""
    if count == 0:
        return np.empty(0, np.int64)
    if count > size * _FEW:
        return np.sort(generator.permutation(size)[:count]).astype(np.int64)
    drawn = _distinct(generator.integers(0, size, count))
    while len(drawn) < count:
        drawn = _distinct(np.concatenate([drawn, generator.integers(0, size, count - len(drawn))]))
    return drawn


def _distinct(numbers: Indices) -> Indices:
    # np.unique does the same and takes four times as long for the few numbers of most trials.
    numbers.sort()
    if len(numbers) > 1:
        again = numbers[1:] == numbers[:-1]
        if again.any():
            return np.concatenate([numbers[:1], numbers[1:][~again]])
    return numbers


class FaultModel(ABC):
    """How faults gather in a memory."""

    name: str

    @abstractmethod
    def draw(self, generator: np.random.Generator, bits: int, rate: float) -> Faults:
        """Return the faults of one trial.

        Args:
            generator: The trial's stream.
            bits: The size of the memory.
            rate: The share of bits that are hit on average, in [0, 1].
        """

    def expected(self, bits: int, rate: float) -> float:
        """Return how many bits are hit on average, overlaps not counted off."""
        return bits * rate


@dataclass(frozen=True)
class Independent(FaultModel):
    """Each bit flips with the same probability, whatever the others do."""

    name = "independent"

    def draw(self, generator: np.random.Generator, bits: int, rate: float) -> Faults:
        """Draw how many, then which."""
        return Faults(draw_distinct(generator, bits, int(generator.binomial(bits, rate))))


@dataclass(frozen=True)
class Exact(FaultModel):
    """As in the paper: always ``int(bits * rate)`` flips."""

    name = "exact"

    def draw(self, generator: np.random.Generator, bits: int, rate: float) -> Faults:
        """Draw which."""
        return Faults(draw_distinct(generator, bits, int(self.expected(bits, rate))))

    def expected(self, bits: int, rate: float) -> float:
        """Return how many bits flip."""
        return float(int(bits * rate + 1e-9))  # 0.3 * 10 is 2.9999999999999996


@dataclass(frozen=True)
class Bursts(FaultModel):
    """Runs of flips, as where one event upsets neighbouring cells.

    Attributes:
        length: Flips a burst; cut at the end of the memory.
        stride: Bits from one to the next: 1 for neighbouring bits, 8 for one bit in each of
            neighbouring bytes.
    """

    length: int = 8
    stride: int = 1
    name = "bursts"

    def draw(self, generator: np.random.Generator, bits: int, rate: float) -> Faults:
        """Draw how many bursts, then where each begins."""
        count = int(generator.binomial(bits, min(1.0, rate / self.length)))
        starts = draw_distinct(generator, bits, count)
        hit = (starts[:, None] + np.arange(self.length) * self.stride).ravel()
        return Faults(_distinct(hit[hit < bits]))


@dataclass(frozen=True)
class Rows(FaultModel):
    """Whole rows fail: each of their bits reads right or wrong by chance.

    Attributes:
        row_bytes: Bytes a row.
    """

    row_bytes: int = 1024
    name = "rows"

    def draw(self, generator: np.random.Generator, bits: int, rate: float) -> Faults:
        """Draw which rows, then which half of their bits."""
        width = 8 * self.row_bytes
        rows = -(-bits // width)
        failed = draw_distinct(generator, rows, int(generator.binomial(rows, min(1.0, 2 * rate))))
        offsets = [row * width + np.flatnonzero(generator.integers(0, 2, width)) for row in failed]
        hit = np.concatenate([np.empty(0, np.int64), *offsets])
        return Faults(hit[hit < bits])


@dataclass(frozen=True)
class StuckAt(FaultModel):
    """Bits that hold one value whatever is written.

    Attributes:
        value: 0 or 1; None: either, by chance.
    """

    value: int | None = None
    name = "stuck_at"

    def draw(self, generator: np.random.Generator, bits: int, rate: float) -> Faults:
        """Draw which, then the value of each."""
        positions = draw_distinct(generator, bits, int(generator.binomial(bits, rate)))
        if self.value is None:
            return Faults(positions, generator.integers(0, 2, len(positions), dtype=np.uint8))
        return Faults(positions, np.full(len(positions), self.value, np.uint8))


FAULT_MODELS: dict[str, type[FaultModel]] = {
    kind.name: kind for kind in (Independent, Exact, Bursts, Rows, StuckAt)
}


@dataclass(frozen=True)
class Target:
    """The part of a memory that faults can hit.

    Attributes:
        spans: Byte ranges (first, last + 1), in order, apart from each other.
        bits: Bit numbers within each word; None: all.
        word: Bytes a word, little-endian; the spans begin and end at whole words.
    """

    spans: tuple[tuple[int, int], ...]
    bits: tuple[int, ...] | None = None
    word: int = 1

    @cached_property
    def size(self) -> int:
        """How many bits can be hit."""
        words = sum(stop - start for start, stop in self.spans) // self.word
        return words * (8 * self.word if self.bits is None else len(self.bits))

    def positions(self, indices: Indices) -> Indices:
        """Return the memory's bits for the target's own, which are counted 0, 1, ... ``size - 1``."""
        starts = np.array([start for start, _ in self.spans], np.int64)
        ends = np.cumsum([stop - start for start, stop in self.spans])
        chosen = np.arange(8 * self.word) if self.bits is None else np.array(self.bits, np.int64)
        words, which = np.divmod(indices, len(chosen))
        offset = words * self.word
        span = np.searchsorted(ends, offset, side="right")
        begins = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
        positions: Indices = (starts[span] + offset - begins[span]) * 8 + chosen[which]
        return positions


def draw(model: FaultModel, target: Target, rate: float, generator: np.random.Generator) -> Faults:
    """Return one trial's faults in the target's part of a memory, as bits of the whole memory."""
    faults = model.draw(generator, target.size, rate)
    if target.bits is None and len(target.spans) == 1:
        return Faults(faults.positions + 8 * target.spans[0][0], faults.stuck_at)
    positions = target.positions(faults.positions)
    order = np.argsort(positions)
    stuck_at = None if faults.stuck_at is None else faults.stuck_at[order]
    return Faults(positions[order], stuck_at)
