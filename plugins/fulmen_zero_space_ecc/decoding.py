"""Protected bytes to float weights in one pass: what a layer does when it decodes on use."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from fulmen_zero_space_ecc.placement import BLOCK, Layout, Segment

# Bit 6 of the bytes of a word that are held; numba must see uint64 alone, or it computes in floats.
_HELD = {"interleaved": np.uint64(0x4040404040404040), "paper": np.uint64(0x0040404040404040)}
_ONE = np.uint64(1)
_CHUNK = 512  # words at a time, so that what is decoded is still in the cache when it is multiplied


def dequantize(
    payload: NDArray[np.int8],
    segment: Segment,
    layout: Layout,
    scale: NDArray[np.float32],
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return a weight as float32, in its shape: check bits replaced by signs, times the scale.

    Args:
        payload: int8, contiguous, 8-byte aligned: the whole arena. Nothing is corrected.
        segment: The weight's place in it.
        layout: ``interleaved`` or ``paper``.
        scale: float32, no dimensions, or one that broadcasts against the weight.
        out: Where it is put: float32, contiguous, of the weight's shape; None: a new array.
    """
    out = np.empty(segment.shape, np.float32) if out is None else out
    last_plane = payload.size // BLOCK * (BLOCK - 1) if layout == "interleaved" else payload.size
    # One scale multiplies as bytes are read; several, in a second pass, which numpy broadcasts.
    factor = np.float32(scale.reshape(-1)[0] if scale.size == 1 else 1)
    _dequantize(
        payload.view(np.uint64), out.reshape(-1), segment.offset, last_plane // 8, _HELD[layout], factor
    )
    if scale.size > 1:
        out *= scale
    return out


@numba.njit(cache=True, nogil=True)
def _dequantize(words: Any, out: Any, offset: int, free_from: int, held: Any, factor: Any) -> None:
    """Decode the words that cover a segment, a chunk at a time, then take its bytes from them."""
    decoded = np.empty(_CHUNK, np.uint64)
    signed = decoded.view(np.int8)
    first, last = offset // 8, -(-(offset + out.size) // 8)
    for begin in range(first, last, _CHUNK):
        end = min(begin + _CHUNK, last)
        free = min(max(free_from, begin), end)
        for i in range(begin, free):
            word = words[i]
            decoded[i - begin] = (word & ~held) | ((word >> _ONE) & held)
        for i in range(free, end):
            decoded[i - begin] = words[i]
        low = max(offset, begin * 8)
        count = min(offset + out.size, end * 8) - low
        source, target = signed[low - begin * 8 :], out[low - offset :]
        for i in range(count):
            target[i] = np.float32(source[i]) * factor
