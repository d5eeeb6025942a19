"""The (64, 57) SEC-DED code on blocks of 8 weights, one a row: numpy arrays and tensors of any device.

Each block has 7 weights in [-64, 63], whose bit 6 repeats their sign; the check bits stand there. One
wrong bit of the 64 is set right, two are detected. Three are always miscorrected: the code uses
every odd column there is (columns.py). Whole arenas have calls of their own (arena.py).

Source: Guan et al., NeurIPS 2019 (arXiv:1910.14479), for check bits in place; the columns are fulmen's.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fulmen_zero_space_ecc import torch_code, word_kernels
from fulmen_zero_space_ecc.columns import CLEAN as CLEAN
from fulmen_zero_space_ecc.columns import CORRECTED as CORRECTED
from fulmen_zero_space_ecc.columns import DETECTED as DETECTED

Blocks = TypeVar("Blocks", NDArray[np.int8], Tensor)


def encode(weights: Blocks) -> Blocks:
    """Return blocks with their check bits in place.

    Args:
        weights: int8, shape (n, 8); bytes 0 to 6 of each row in [-64, 63], byte 7 any.

    Raises:
        ValueError: another dtype or shape, or a held weight lies outside (counts them).
    """
    held = _checked(weights, "weights")[:, :7]
    if outside := int(((held < -64) | (held > 63)).sum()):
        raise ValueError(
            f"{outside:,} weights of bytes 0 to 6 lie outside [-64, 63]; there is no room for check bits."
        )
    if isinstance(weights, Tensor) and weights.device.type != "cpu":
        return torch_code.encode(weights)
    words = _words(weights)
    word_kernels.encode(words)
    encoded: Blocks = _like(weights, words)
    return encoded


def decode(payload: Blocks) -> tuple[Blocks, Any]:
    """Correct one wrong bit a block, and return the weights; those of blocks with two as they stand.

    Args:
        payload: int8, shape (n, 8), as `encode` returns it; not changed.

    Returns:
        The weights, int8, shape (n, 8), and uint8, shape (n,): 0 clean, 1 corrected, 2 detected. Both
        are arrays or tensors as the payload is.

    Raises:
        ValueError: another dtype or shape.
    """
    _checked(payload, "payload")
    if isinstance(payload, Tensor) and payload.device.type != "cpu":
        return torch_code.decode(payload)
    words = _words(payload)
    status = np.empty(words.size, np.uint8)
    word_kernels.decode_blocks(words, words, status)
    return _like(payload, words), torch.from_numpy(status) if isinstance(payload, Tensor) else status


def scrub_(payload: NDArray[np.int8] | Tensor) -> tuple[int, int]:
    """Correct one wrong bit a block in place.

    Args:
        payload: int8, shape (n, 8), contiguous.

    Returns:
        How many blocks were corrected, and in how many two wrong bits were detected, which stay.

    Raises:
        ValueError: another dtype or shape, or not contiguous.
    """
    _checked(payload, "payload")
    contiguous = payload.is_contiguous() if isinstance(payload, Tensor) else payload.flags.c_contiguous
    if not contiguous:
        raise ValueError(
            "payload: is not contiguous, so that it cannot be mended in place; make it so first."
        )
    if isinstance(payload, Tensor) and payload.device.type != "cpu":
        return torch_code.scrub_(payload)
    bytes_ = payload.numpy() if isinstance(payload, Tensor) else payload
    if not bytes_.size:
        return 0, 0
    if bytes_.ctypes.data % 8:
        words = _words(bytes_)
        found = word_kernels.scrub(words, np.empty(0, np.int64))
        bytes_[...] = words.view(np.int8).reshape(bytes_.shape)
    else:
        found = word_kernels.scrub(bytes_.reshape(-1).view(np.uint64), np.empty(0, np.int64))
    return int(found[0]), int(found[1])


def _checked(blocks: Any, name: str) -> Any:
    int8 = torch.int8 if isinstance(blocks, Tensor) else np.int8
    if blocks.dtype != int8 or blocks.ndim != 2 or blocks.shape[1] != 8:
        raise ValueError(
            f"{name}: {blocks.dtype} of shape {tuple(blocks.shape)}; int8 of shape (n, 8) is expected."
        )
    return blocks


def _words(blocks: NDArray[np.int8] | Tensor) -> NDArray[np.uint64]:
    """Return a copy as words."""
    bytes_ = blocks.detach().numpy() if isinstance(blocks, Tensor) else blocks
    return np.array(bytes_, order="C", copy=True).reshape(-1).view(np.uint64)


def _like(blocks: Blocks, words: NDArray[np.uint64]) -> Any:
    bytes_ = words.view(np.int8).reshape(-1, 8)
    return torch.from_numpy(bytes_) if isinstance(blocks, Tensor) else bytes_
