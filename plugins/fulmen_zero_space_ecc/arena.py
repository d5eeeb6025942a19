"""Whole arenas under the code: encode, verify, scrub and decode, in place and without a copy.

An arena is one contiguous buffer of N bytes, N a multiple of 64 (placement.py), as numpy sees it:
``tensor.numpy()`` for one of torch. Every call takes its ``layout``; ``threads`` share the work.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fulmen_zero_space_ecc import plane_kernels, word_kernels
from fulmen_zero_space_ecc.placement import ALIGNMENT, BLOCK, Layout

Arena = NDArray[Any]  # int8 or uint8, 1-D, contiguous
_ROOM = 1024  # detected blocks that a scrub has room for at first


@dataclass(frozen=True)
class Scrubbed:
    """What a scrub found.

    Attributes:
        corrected: Bits that were set right.
        detected: int64: the numbers of the blocks with two wrong bits, ascending; they are left as they are.
    """

    corrected: int
    detected: NDArray[np.int64]


def encode_(arena: Arena, layout: Layout, threads: int = 1) -> None:
    """Put the check bits into an arena of plain weights, in place.

    Args:
        arena: int8 or uint8, N bytes; held bytes (`placement`) in [-64, 63].
        layout: ``interleaved`` or ``paper``.
        threads: How many threads work.

    Raises:
        ValueError: a held byte lies outside; counts them, and nothing was changed.
    """
    kernel, decode = _kernels(layout).encode, _kernels(layout).decode
    parts = _parts(arena, layout, threads)
    done = _run(kernel, parts, threads)
    if all(count == part.shape[-1] for count, part in zip(done, parts, strict=True)):
        return
    for count, part in zip(done, parts, strict=True):  # what was encoded lay inside: signs give it back
        decode(part[..., :count], part[..., :count])
    outside = count_outside(arena, layout)
    raise ValueError(
        f"{outside:,} held weights lie outside [-64, 63]; there is no room for their check bits."
    )


def verify(arena: Arena, layout: Layout, threads: int = 1) -> bool:
    """Whether every block is a code word."""
    return all(_run(_kernels(layout).is_clean, _parts(arena, layout, threads), threads))


def scrub_(arena: Arena, layout: Layout, threads: int = 1) -> Scrubbed:
    """Set right, in place, every block with one wrong bit; find those with two."""
    corrected, detected = 0, []
    parts = _parts(arena, layout, threads)
    first = 0
    rooms = [np.empty(_ROOM, np.int64) for _ in parts]
    found = _run(_kernels(layout).scrub, parts, threads, rooms)
    for part, room, (mended, doubles) in zip(parts, rooms, found, strict=True):
        if doubles > room.size:  # those that are left are found again
            room = np.empty(doubles, np.int64)
            _kernels(layout).scrub(part, room)
        corrected += mended
        detected.append(room[:doubles] + first)
        first += part.shape[-1] * (BLOCK if layout == "interleaved" else 1)
    return Scrubbed(corrected, np.concatenate(detected))


def decode(
    arena: Arena, layout: Layout, out: NDArray[np.int8] | None = None, threads: int = 1
) -> NDArray[np.int8]:
    """Return the weights as they stand: check bits replaced by signs, nothing corrected.

    Args:
        arena: int8 or uint8, N bytes.
        layout: ``interleaved`` or ``paper``.
        out: Where they are put, N bytes; may be the arena itself. By default a new array.
        threads: How many threads work.
    """
    out = np.empty(arena.size, np.int8) if out is None else out
    _run(_kernels(layout).decode, _parts(arena, layout, threads), threads, _parts(out, layout, threads))
    return out


def block_bytes(blocks: NDArray[np.int64], size: int, layout: Layout) -> NDArray[np.int64]:
    """Return where the bytes of blocks lie in an arena of ``size`` bytes; int64, shape (n, 8)."""
    blocks = np.asarray(blocks, np.int64)[:, None]
    within = np.arange(BLOCK)
    return blocks + within * (size // BLOCK) if layout == "interleaved" else blocks * BLOCK + within


def count_outside(arena: Arena, layout: Layout) -> int:
    """Count the held bytes outside [-64, 63] of an arena that is not encoded."""
    _check(arena, layout)
    shape = (BLOCK, -1) if layout == "interleaved" else (-1, BLOCK)
    bytes_ = arena.view(np.int8).reshape(shape)
    held = bytes_[: BLOCK - 1] if layout == "interleaved" else bytes_[:, : BLOCK - 1]
    return int(((held < -64) | (held > 63)).sum())


def _kernels(layout: Layout) -> Any:
    return plane_kernels if layout == "interleaved" else word_kernels


def _check(arena: Arena, layout: Layout) -> None:
    if layout not in get_args(Layout):
        raise ValueError(f"layout {layout!r} is unknown; choose one of {', '.join(get_args(Layout))}.")
    if arena.ndim != 1 or arena.itemsize != 1 or not arena.flags.c_contiguous:
        raise ValueError(
            f"an arena is one row of bytes, contiguous; this is {arena.dtype} of shape {arena.shape}."
        )
    if arena.size % ALIGNMENT or not arena.size:
        raise ValueError(f"an arena has a multiple of {ALIGNMENT} bytes; this has {arena.size:,}.")
    if arena.ctypes.data % 8:
        raise ValueError(
            "the arena does not begin at a multiple of 8 bytes in memory; copy it to one that does."
        )


def _parts(arena: Arena, layout: Layout, threads: int) -> list[NDArray[np.uint64]]:
    """Return the arena as words, in as many parts as there are threads."""
    _check(arena, layout)
    words = arena.view(np.uint64)
    whole = words.reshape(BLOCK, -1) if layout == "interleaved" else words
    bounds = np.linspace(0, whole.shape[-1], threads + 1).astype(int)
    return [whole[..., begin:end] for begin, end in itertools.pairwise(bounds)]


def _run(
    kernel: Callable[..., Any], parts: list[Any], threads: int, more: list[Any] | None = None
) -> list[Any]:
    arguments = [parts] if more is None else [parts, more]
    if threads == 1:
        return [kernel(*each) for each in zip(*arguments, strict=True)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(kernel, *arguments))
