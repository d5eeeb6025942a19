"""Protected bytes to float weights in one pass: what a layer does when it decodes on use."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fulmen_zero_space_ecc.weights.placement import BLOCK, Layout, Segment

# numba must see int8 alone, or uint64 alone: it computes with wider numbers, or with floats, else.
_CHECK, _KEPT, _UP = np.int8(64), np.int8(~64), np.int8(1)
_ROW_CHECKS, _ONE = np.uint64(0x0040404040404040), np.uint64(1)
_CHUNK = 512  # words at a time, so that what is decoded is still in the cache when it is multiplied


class WeightReader:
    """Reads one weight out of an arena as float32, again and again: no check bits, and times the scale.

    What can be prepared is, since a small layer is decoded in microseconds. Nothing is corrected.

    Args:
        payload: int8, contiguous, 8-byte aligned: the whole arena, which may change between two reads.
        segment: The weight's place in it.
        layout: ``interleaved`` or ``paper``.
        scale: float32, one number, or some that broadcast against the weight; may change as well.
    """

    def __init__(
        self, payload: NDArray[np.int8], segment: Segment, layout: Layout, scale: NDArray[np.float32]
    ) -> None:
        begin = segment.offset
        self._interleaved = layout == "interleaved"
        self._stored = payload[begin : begin + segment.numel]
        self._words, self._begin = payload.view(np.uint64), begin
        planes = payload.size // BLOCK * (BLOCK - 1)
        self._held = min(max(planes - begin, 0), segment.numel)
        self._shape, self._scale = segment.shape, scale
        # One scale multiplies as bytes are read; several, in a second pass, which numpy broadcasts.
        self._factor = scale.reshape(-1) if scale.size == 1 else np.ones(1, np.float32)

    def read(self, out: NDArray[np.float32]) -> None:
        """Put the weight as it stands now into ``out``: float32, contiguous, flat."""
        if self._interleaved:
            _dequantize_planes(self._stored, out, self._held, self._factor)
        else:
            _dequantize_rows(self._words, out, self._begin, self._factor)
        if self._scale.size > 1:
            out.reshape(self._shape)[...] *= self._scale


def dequantize(payload: Tensor, segment: Segment, layout: Layout, scale: Tensor) -> Tensor:
    """Return one weight out of an arena as float32, in plain torch: the same numbers, on any device."""
    begin, end = segment.offset, segment.offset + segment.numel
    stored = payload[begin:end]
    if layout == "interleaved":
        held = torch.arange(begin, end, device=payload.device) < payload.numel() // BLOCK * (BLOCK - 1)
    else:
        held = torch.arange(begin, end, device=payload.device) % BLOCK != BLOCK - 1
    signed = (stored & ~64) | ((stored >> 1) & 64)
    return torch.where(held, signed, stored).float().view(segment.shape) * scale


@numba.njit(cache=True, nogil=True)
def _dequantize_planes(stored: Any, out: Any, held: int, scale: Any) -> None:
    """Decode a segment byte by byte, of which 32 fit a register; all up to ``held`` carry a check bit."""
    factor = scale[0]
    for i in range(held):
        byte = stored[i]
        out[i] = np.float32(np.int8((byte & _KEPT) | ((byte >> _UP) & _CHECK))) * factor
    for i in range(held, out.size):
        out[i] = np.float32(stored[i]) * factor


@numba.njit(cache=True, nogil=True)
def _dequantize_rows(words: Any, out: Any, offset: int, scale: Any) -> None:
    """Decode the words that cover a segment, a chunk at a time, then take its bytes from them."""
    decoded = np.empty(_CHUNK, np.uint64)
    signed, factor = decoded.view(np.int8), scale[0]
    first, last = offset // 8, -(-(offset + out.size) // 8)
    for begin in range(first, last, _CHUNK):
        end = min(begin + _CHUNK, last)
        for i in range(begin, end):
            word = words[i]
            decoded[i - begin] = (word & ~_ROW_CHECKS) | ((word >> _ONE) & _ROW_CHECKS)
        low = max(offset, begin * 8)
        count = min(offset + out.size, end * 8) - low
        source, target = signed[low - begin * 8 :], out[low - offset :]
        for i in range(count):
            target[i] = np.float32(source[i]) * factor
