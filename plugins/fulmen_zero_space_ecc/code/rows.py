"""The in-place (64, 57) SEC-DED code on blocks given as rows: int8 numpy arrays or torch tensors.

A weight in [-64, 63] has bit 6 equal to its sign bit, so bit 6 of bytes 0 to 6 of a block of 8 is free:
seven places for the seven check bits of columns.py. Byte 7 may be any; no byte is added. One flipped bit
of a block is corrected, two are detected. Three always look like one, of another bit.

Whole arenas, in either layout and in place, are arena.py's. Tensors on other devices than the CPU are
torch_code.py's, which needs no compiler; the two agree bit for bit.

Source: Guan et al., NeurIPS 2019 (arXiv:1910.14479), for the place of the check bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

import numpy as np
from numpy.typing import NDArray

from fulmen_zero_space_ecc.code import arena
from fulmen_zero_space_ecc.code.columns import CORRECTED, DETECTED

if TYPE_CHECKING:
    from torch import Tensor

    Rows = TypeVar("Rows", NDArray[np.int8], Tensor)

_GROUP = 8  # blocks that the compiled loops take at once


def encode(weights: Rows) -> Rows:
    """Write check bits into the free bits of each block.

    Args:
        weights: int8, shape (n, 8), one block a row. Bytes 0-6 in [-64, 63], byte 7 any. n may be 0.

    Returns:
        A new array or tensor of the same shape and device.

    Raises:
        ValueError: the type or shape is another, or a byte is out of range; says how many and which first.
    """
    if not isinstance(weights, np.ndarray):
        return cast("Rows", _on_tensor("encode", weights))
    _require_rows(weights)
    held = weights[:, :7]
    outside = (held < arena.LOW) | (held > arena.HIGH)
    if outside.any():
        row, byte = np.argwhere(outside)[0]
        raise ValueError(
            f"{np.count_nonzero(outside):,} weights lie outside [{arena.LOW}, {arena.HIGH}], the first in "
            f"row {row}, byte {byte} ({weights[row, byte]}); bytes 0 to 6 of a block must not."
        )
    padded = _padded(weights)
    arena.encode_(padded.reshape(-1), "paper")
    return padded[: len(weights)]


@overload
def decode(payload: NDArray[np.int8]) -> tuple[NDArray[np.int8], NDArray[np.uint8]]: ...
@overload
def decode(payload: Tensor) -> tuple[Tensor, Tensor]: ...
def decode(payload: Any) -> Any:
    """Return the weights of blocks, corrected, and what became of each block.

    Args:
        payload: int8, shape (n, 8), from `encode`, perhaps with flipped bits. It stays as it is.

    Returns:
        The weights, int8, shape (n, 8), and the status, uint8, shape (n,): 0 clean, 1 corrected,
        2 detected. A detected block is decoded without correction: bit 6 of bytes 0 to 6 is bit 7.

    Raises:
        ValueError: the type or shape is another.
    """
    if not isinstance(payload, np.ndarray):
        return _on_tensor("decode", payload)
    _require_rows(payload)
    padded = _padded(payload)
    before = padded.view(np.uint64).copy()
    scrubbed = arena.scrub_(padded.reshape(-1), "paper")
    status = np.where(padded.view(np.uint64) == before, 0, CORRECTED).astype(np.uint8).reshape(-1)
    status[scrubbed.detected] = DETECTED
    arena.decode_(padded.reshape(-1), "paper")
    return padded[: len(payload)], status[: len(payload)]


def scrub_(payload: NDArray[np.int8] | Tensor) -> tuple[int, int]:
    """Correct every block with one flipped bit, in place.

    Args:
        payload: int8, shape (n, 8), from `encode`; of any strides.

    Returns:
        How many blocks were corrected, and how many have an even number of flips and stay as they are.

    Raises:
        ValueError: the type or shape is another.
    """
    if not isinstance(payload, np.ndarray):
        return cast("tuple[int, int]", _on_tensor("scrub_", payload))
    _require_rows(payload)
    if payload.flags.c_contiguous and len(payload) % _GROUP == 0 and payload.ctypes.data % 8 == 0:
        corrected, detected = arena.scrub_(payload.reshape(-1), "paper")
        return corrected, len(detected)
    padded = _padded(payload)
    corrected, detected = arena.scrub_(padded.reshape(-1), "paper")
    payload[...] = padded[: len(payload)]
    return corrected, len(detected)


def _on_tensor(call: str, rows: Tensor) -> Any:
    import torch

    from fulmen_zero_space_ecc.code import torch_code

    if not isinstance(rows, torch.Tensor):
        raise ValueError(f"blocks are a {type(rows).__name__}; a numpy array or a torch tensor is needed.")
    if rows.device.type != "cpu":
        return getattr(torch_code, call)(rows)
    result = globals()[call](rows.detach().numpy())
    if call == "encode":
        return torch.from_numpy(result)
    if call == "decode":
        return tuple(torch.from_numpy(part) for part in result)
    return result


def _require_rows(rows: NDArray[Any]) -> None:
    if rows.dtype != np.int8 or rows.ndim != 2 or rows.shape[1] != arena.BLOCK:
        raise ValueError(f"blocks are {rows.dtype} of shape {rows.shape}; int8 of shape (n, 8) is needed.")


def _padded(rows: NDArray[np.int8]) -> NDArray[np.int8]:
    """Copy blocks, with blocks of zeros (which are codewords) up to a whole group."""
    padded = np.zeros((-(-len(rows) // _GROUP) * _GROUP, arena.BLOCK), np.int8)
    padded[: len(rows)] = rows
    return padded
