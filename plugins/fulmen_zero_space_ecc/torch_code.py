"""The code in plain torch operations, on any device: slower than the kernels, and their oracle.

Blocks are int8 of shape (n, 8). The syndrome comes from the columns themselves, by a product of bits
with the parity-check matrix, so that it shares nothing with the folds of the kernels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fulmen_zero_space_ecc.columns import BITS, CHECKS, ODD, POSITION, SOLUTION, column


def syndromes(payload: Tensor) -> Tensor:
    """Return the syndrome of each block: int64, shape (n,), 0 to 127, as columns.py orders its bits."""
    bits = (payload.unsqueeze(2) >> torch.arange(8, device=payload.device, dtype=torch.int8)) & 1
    matrix = torch.tensor([[column(bit) >> row & 1 for row in range(CHECKS)] for bit in range(BITS)])
    # float64 counts exactly, and every device multiplies it.
    counts = bits.reshape(-1, BITS).double() @ matrix.double().to(payload.device)
    parities = counts.long() & 1
    return (parities << torch.arange(CHECKS, device=payload.device)).sum(dim=1)


def encode(weights: Tensor) -> Tensor:
    """As `code.encode`, without a look at the ranges."""
    payload = weights.clone()
    payload[:, :CHECKS] &= ~0x40
    solution = torch.from_numpy(SOLUTION.view("uint8").reshape(-1, 8).copy()).to(payload.device)
    return payload | solution[syndromes(payload)].view(torch.int8)


def decode(payload: Tensor) -> tuple[Tensor, Tensor]:
    """As `code.decode`."""
    mended, status = _mended(payload)
    held = mended[:, :CHECKS]
    mended[:, :CHECKS] = (held & ~0x40) | ((held >> 1) & 0x40)
    return mended, status


def scrub_(payload: Tensor) -> tuple[int, int]:
    """As `code.scrub_`."""
    mended, status = _mended(payload)
    payload.copy_(mended)
    return int((status == 1).sum()), int((status == 2).sum())


def _mended(payload: Tensor) -> tuple[Tensor, Tensor]:
    found = syndromes(payload)
    odd = found & ODD != 0
    status = torch.where(odd, 1, torch.where(found != 0, 2, 0)).to(torch.uint8)
    position = torch.from_numpy(POSITION.astype("int64")).to(payload.device)[found]
    block = torch.nonzero(odd).squeeze(1)
    mended = payload.clone()
    byte, bit = position[block] >> 3, position[block] & 7
    flips = (torch.ones_like(bit) << bit).to(torch.uint8).view(torch.int8)
    mended[block, byte] ^= flips
    return mended, status
