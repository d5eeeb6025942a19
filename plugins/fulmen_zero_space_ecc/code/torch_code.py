"""The in-place code in plain torch, for tensors on any device, and as a check of the compiled loops.

A block is one little-endian 64-bit word, and all of its parities are found by folding that word onto
itself six times (a Reed-Muller transform): after the step that shifts by s = 32, 16, ..., 1 each bit
below holds the sum of what differs from it in that index bit alone or not at all. Bit 0 then is the
parity of the whole word, and bits 8, 16, 32 and 1, 2, 4 those of the index bits of byte and place. The
twists of bytes 3, 5 and 6 add each the parity of a whole byte to one of the last three.

The arithmetic is that of another program than kernels.py's on purpose. See rows.py for what the
functions promise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fulmen_zero_space_ecc.code.columns import CHECK_MASK, CHECK_WORDS, CORRECTED, DETECTED, NO_BIT, POSITIONS


def encode(weights: Tensor) -> Tensor:
    """Write check bits into the free bits of each block: int8 (n, 8) to a new int8 (n, 8)."""
    _require_rows(weights)
    held = weights[:, :7]
    outside = (held < -64) | (held > 63)
    if outside.any():
        row, byte = outside.nonzero()[0].tolist()
        raise ValueError(
            f"{int(outside.sum()):,} weights lie outside [-64, 63], the first in row {row}, byte {byte} "
            f"({int(weights[row, byte])}); bytes 0 to 6 of a block must not."
        )
    words = _words(weights) & ~CHECK_MASK
    checks = torch.from_numpy(CHECK_WORDS.astype("int64")).to(weights.device)
    return (words | checks[syndromes(words)]).view(torch.int8).view(-1, 8)


def decode(payload: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights, int8 (n, 8), and the status of each block, uint8 (n,)."""
    _require_rows(payload)
    words, status = _mended(_words(payload))
    words = (words & ~CHECK_MASK) | ((words >> 1) & CHECK_MASK)
    return words.view(torch.int8).view(-1, 8), status


def scrub_(payload: Tensor) -> tuple[int, int]:
    """Correct blocks in place; return how many were corrected and how many detected."""
    _require_rows(payload)
    words, status = _mended(_words(payload))
    payload.copy_(words.view(torch.int8).view(-1, 8))
    return int((status == CORRECTED).sum()), int((status == DETECTED).sum())


def syndromes(words: Tensor) -> Tensor:
    """Return the syndrome of each block, int64 (n,), from blocks as int64 words (n,)."""
    z = words ^ ((words >> 32) & 0xFFFFFFFF)  # the mask undoes the sign that >> draws in
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF),
        (8, 0x00FF00FF00FF00FF),
        (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333),
        (1, 0x5555555555555555),
    ):
        z = z ^ ((z >> shift) & mask)
    parity, i0, i1, i2 = (_bit(z, n) for n in (0, 8, 16, 32))
    twisted = [_byte_parity(words, byte) for byte in (3, 5, 6)]
    j0, j1, j2 = (_bit(z, n) ^ twist for n, twist in zip((1, 2, 4), twisted, strict=True))
    return parity << 6 | i2 << 5 | i1 << 4 | i0 << 3 | j2 << 2 | j1 << 1 | j0


def _bit(words: Tensor, number: int) -> Tensor:
    return (words >> number) & 1


def _byte_parity(words: Tensor, byte: int) -> Tensor:
    z = (words >> (8 * byte)) & 0xFF
    for shift in (4, 2, 1):
        z = z ^ (z >> shift)
    return z & 1


def _mended(words: Tensor) -> tuple[Tensor, Tensor]:
    found = syndromes(words)
    bits = torch.from_numpy(POSITIONS.astype("int64")).to(words.device)[found]
    single = bits != NO_BIT
    flips = torch.where(single, torch.ones_like(bits) << bits.clamp_max(63), 0)
    status = torch.where(single, CORRECTED, torch.where(found == 0, 0, DETECTED)).to(torch.uint8)
    return words ^ flips, status


def _words(rows: Tensor) -> Tensor:
    # A copy, since a view as int64 needs storage that begins at a multiple of 8 bytes.
    return rows.detach().clone(memory_format=torch.contiguous_format).view(torch.int64).view(-1)


def _require_rows(rows: Tensor) -> None:
    if rows.dtype != torch.int8 or rows.dim() != 2 or rows.shape[1] != 8:
        raise ValueError(
            f"blocks are {rows.dtype} of shape {tuple(rows.shape)}; int8 of shape (n, 8) is needed."
        )
