"""Check bits written, checked, mended and taken out again over a whole arena, in place and in threads.

A buffer is the arena of placement.py: a C-contiguous vector of N bytes, N a multiple of 64, int8 or
uint8, that begins at a multiple of 8 bytes, such as ``tensor.numpy()``. Nothing here copies it. The
compiled loops let go of the interpreter lock and store whole aligned 8-byte words, so that a thread
that reads meanwhile sees a block before or after its correction.

The compiled loops are imported at the first call: what merely names this module need not wait.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fulmen_zero_space_ecc.code.columns import CHECK_BIT, CHECK_MASK, POSITIONS

if TYPE_CHECKING:
    from fulmen_zero_space_ecc.weights.placement import Layout

Buffer = NDArray[np.int8] | NDArray[np.uint8]

LAYOUTS = ("interleaved", "paper")
BLOCK = 8  # bytes
COLUMN = 64  # bytes: 8 blocks, what the kernels count in
LOW, HIGH = -64, 63  # the box of held bytes
_KEPT_BLOCKS = 1024  # numbers of detected blocks noted in the first pass
_SHORTEST_SPAN = 16384  # columns a thread, 1 MiB: below, waking it costs more than it saves
_LITTLE_ENDIAN = sys.byteorder == "little"
_CHECKS_OF_PLANES = int.from_bytes(bytes([1 << CHECK_BIT] * 8), "little")


class Scrubbed(NamedTuple):
    """What a scrub did.

    Attributes:
        corrected: Blocks in which one flipped bit was put right.
        detected: int64, the numbers of the blocks in which an even number of flips was found, rising;
            these are left as they are.
    """

    corrected: int
    detected: NDArray[np.int64]


def encode_(buffer: Buffer, layout: Layout, threads: int = 1) -> None:
    """Write the check bits into bit 6 of the held bytes, in place; no byte is added.

    Args:
        buffer: The plain weights. What bit 6 of a held byte said, its sign bit still says.
        layout: ``interleaved`` or ``paper``.
        threads: How many threads share the work.

    Raises:
        ValueError: a held byte lies outside [-64, 63], so that its bit 6 is not free; says how many
            and where the first is, and leaves the buffer as it was.
    """
    words = as_words(buffer, layout)
    spans = _spans(words.size // BLOCK, threads)
    ends = _in_threads(_kernels().encode, spans, threads, words, layout == "paper")
    if ends == [stop for _, stop in spans]:
        return
    for end, (start, _) in zip(ends, spans, strict=True):
        _decode_columns(words, layout, start, end)  # gives back the bits that were taken
    outside = held_outside(buffer, layout)
    raise ValueError(
        f"{len(outside):,} of {words.size * 7:,} held bytes lie outside [{LOW}, {HIGH}], the first is byte "
        f"{outside[0]} ({buffer.view(np.int8)[outside[0]]}); their bit 6 is not free. Train with callback "
        "wot, or choose scales inside the box."
    )


def verify(buffer: Buffer, layout: Layout, threads: int = 1) -> int:
    """Return how many blocks are no codeword: 0 for an arena without a (detectable) fault."""
    words = as_words(buffer, layout)
    columns, paper = words.size // BLOCK, layout == "paper"
    if threads == 1:  # the shortest way, since 256 KiB take as long as three such calls
        return int(_kernels().count(words, paper, 0, columns))
    return sum(_in_threads(_kernels().count, _spans(columns, threads), threads, words, paper))


def scrub_(buffer: Buffer, layout: Layout, threads: int = 1) -> Scrubbed:
    """Correct every block with one flipped bit, in place, and tell which have two.

    Three flips in a block always look like one, of another bit: the code cannot tell them apart.
    """
    words = as_words(buffer, layout)
    columns, paper = words.size // BLOCK, layout == "paper"
    if threads == 1:
        corrected, detected, blocks = _scrub_columns(words, paper, 0, columns)
    else:
        parts = _in_threads(_scrub_columns, _spans(columns, threads), threads, words, paper)
        corrected, detected = sum(part[0] for part in parts), sum(part[1] for part in parts)
        blocks = np.concatenate([part[2] for part in parts])
    if detected:
        if len(blocks) < detected:  # more than were noted; they are all still there
            blocks = np.empty(detected, np.int64)
            _kernels().scrub(words, paper, 0, columns, POSITIONS, blocks)
        blocks.sort()
    return Scrubbed(corrected, blocks)


def decode_(buffer: Buffer, layout: Layout, threads: int = 1) -> None:
    """Turn an arena back into plain weights, in place: bit 6 of each held byte becomes its bit 7.

    Corrects nothing: `scrub_` first.
    """
    words = as_words(buffer, layout)
    spans = _spans(words.size // BLOCK, threads)

    _in_threads(_decode_columns, spans, threads, words, layout)


def decode(buffer: Buffer, layout: Layout, out: Buffer | None = None) -> NDArray[np.int8]:
    """Return the plain weights of an arena, which stays as it is.

    Args:
        buffer: The arena. Corrects nothing: `scrub_` first.
        layout: ``interleaved`` or ``paper``.
        out: Where to put them, a buffer of the same size elsewhere in memory; None: a new one.

    Returns:
        int8, N bytes; ``out``, if given.
    """
    words = as_words(buffer, layout)
    out = np.empty(buffer.size, np.int8) if out is None else out
    target = as_words(out, layout)
    if target.size != words.size:
        raise ValueError(f"out has {out.size:,} bytes, the buffer {buffer.size:,}: give one of that size.")
    checks, held = CHECK_MASK, words.size
    if layout != "paper":
        checks, held = _CHECKS_OF_PLANES, words.size // BLOCK * (BLOCK - 1)
    _kernels().decode(words, target, np.uint64(checks), 0, held, words.size)
    return out.view(np.int8)


def block_bytes(blocks: NDArray[np.int64], size: int, layout: Layout) -> NDArray[np.int64]:
    """Return where the bytes of blocks lie.

    Args:
        blocks: Block numbers, shape (n,), each below ``size // 8``.
        size: The arena's bytes.
        layout: ``interleaved`` or ``paper``.

    Returns:
        int64, shape (n, 8): byte ``i`` of a block in column ``i``; the last is free.
    """
    rows = np.asarray(blocks, np.int64)[:, None]
    places = np.arange(BLOCK)
    return rows * BLOCK + places if layout == "paper" else rows + places * (size // BLOCK)


def as_rows(buffer: Buffer, layout: Layout) -> NDArray[np.int8]:
    """Return the arena as blocks, shape (N/8, 8), sharing its memory: row ``b`` is block ``b``."""
    plain = buffer.view(np.int8)
    return plain.reshape(-1, BLOCK) if layout == "paper" else plain.reshape(BLOCK, -1).T


def held_outside(buffer: Buffer, layout: Layout) -> NDArray[np.int64]:
    """Return where held bytes lie outside [-64, 63], rising, read as plain weights."""
    rows = as_rows(buffer, layout)[:, : BLOCK - 1]
    blocks, places = np.nonzero((rows < LOW) | (rows > HIGH))
    found = block_bytes(blocks, buffer.size, layout)[np.arange(len(blocks)), places]
    return np.sort(found)


def as_words(buffer: Buffer, layout: str) -> NDArray[np.uint64]:
    """Return the arena as 64-bit words, sharing its memory.

    Raises:
        ValueError: the layout is unknown, or the buffer is not what this module's docstring says.
    """
    # Cheap questions first: a small model is scrubbed in a few microseconds, these included.
    if layout not in LAYOUTS:
        raise ValueError(f"layout {layout!r} is unknown; choose one of {', '.join(LAYOUTS)}.")
    if buffer.dtype.char not in "bB" or buffer.ndim != 1 or not buffer.flags.c_contiguous:
        raise ValueError(
            f"the arena is {buffer.dtype} of shape {buffer.shape}; a contiguous int8 or uint8 vector "
            "is needed."
        )
    if buffer.size % COLUMN:
        raise ValueError(f"the arena has {buffer.size:,} bytes; it must be padded to a multiple of {COLUMN}.")
    words = buffer.view(np.uint64)
    if not words.flags.aligned:
        raise ValueError("the arena does not begin at a multiple of 8 bytes; copy it into a new array.")
    if not _LITTLE_ENDIAN:
        raise ValueError("the arena's words are little-endian; this machine is not.")
    return words


@functools.cache
def _kernels() -> ModuleType:
    from fulmen_zero_space_ecc.code import kernels

    return kernels


def _scrub_columns(words: Any, paper: bool, start: int, stop: int) -> tuple[int, int, NDArray[np.int64]]:
    noted = np.empty(_KEPT_BLOCKS, np.int64)
    corrected, detected = _kernels().scrub(words, paper, start, stop, POSITIONS, noted)
    return corrected, detected, noted[:detected]


def _decode_columns(words: Any, layout: Layout, start: int, stop: int) -> None:
    columns = words.size // BLOCK
    if layout == "paper":
        checks, rows = CHECK_MASK, [(BLOCK * start, BLOCK * stop)]
    elif (start, stop) == (0, columns):  # the planes of held bytes are one stretch of words
        checks, rows = _CHECKS_OF_PLANES, [(0, (BLOCK - 1) * columns)]
    else:
        checks = _CHECKS_OF_PLANES
        rows = [(plane * columns + start, plane * columns + stop) for plane in range(BLOCK - 1)]
    for first, last in rows:
        _kernels().decode_(words, np.uint64(checks), first, last)


def _spans(columns: int, threads: int) -> list[tuple[int, int]]:
    """Cut the columns into at most one span a thread, each but the last a multiple of the shortest."""
    if threads < 1:
        raise ValueError(f"threads is {threads}; at least 1 is needed.")
    if threads == 1 or columns <= _SHORTEST_SPAN:
        return [(0, columns)]
    length = -(-columns // threads)
    length = -(-length // _SHORTEST_SPAN) * _SHORTEST_SPAN
    return [(start, min(start + length, columns)) for start in range(0, columns, length)]


def _in_threads(
    work: Callable[..., Any], spans: list[tuple[int, int]], threads: int, *arguments: Any
) -> list[Any]:
    if len(spans) == 1:
        return [work(*arguments, *spans[0])]
    pool = _pool(threads)
    return [job.result() for job in [pool.submit(work, *arguments, *span) for span in spans]]


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="zero_space_ecc")


os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not live on in a forked process
