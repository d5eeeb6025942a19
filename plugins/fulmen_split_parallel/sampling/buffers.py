"""Memory that is used again.

A fresh block of some tens of megabytes comes from the kernel page by page, which takes several times as
long as filling it with rows does.
"""

from __future__ import annotations

import sys
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class BufferPool:
    """Hands out arrays over memory that nobody holds any more.

    An array, a view of it or a tensor made from it by `torch.from_numpy` holds the memory; once the last of
    them is gone, it may be handed out again. Nobody says so: CPython's reference count does.

    Args:
        most: How many blocks are kept at most; what is asked for beyond them is not kept.
    """

    def __init__(self, most: int = 4) -> None:
        self._most = most
        self._blocks: list[NDArray[np.uint8]] = []

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array of arbitrary content, contiguous."""
        kind = np.dtype(dtype)
        size = prod(shape) * kind.itemsize
        return self._block(size)[:size].view(kind).reshape(shape)

    def _block(self, size: int) -> NDArray[np.uint8]:
        free = [
            place for place in range(len(self._blocks)) if sys.getrefcount(self._blocks[place]) == _UNHELD
        ]
        for place in free:
            if len(self._blocks[place]) >= size:
                return self._blocks[place]
        block = np.empty(size + size // 4, np.uint8)  # room to grow: mini-batches vary in size
        if free:
            self._blocks[free[0]] = block  # none that is free is large enough: the first makes way
        elif len(self._blocks) < self._most:
            self._blocks.append(block)
        return block


def _unheld() -> int:
    """What the reference count of an array is that only a list holds, on this interpreter."""
    blocks = [np.empty(1, np.uint8)]
    return sys.getrefcount(blocks[0])


_UNHELD = _unheld()
