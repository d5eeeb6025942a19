"""Waiting for a number in shared memory to grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray


@intrinsic
def _fence(typing_context: Any) -> tuple[Any, Callable[..., Any]]:
    # Other processors may see writes in another order than they were made (ARM does): rows before the number
    # that announces them need a fence between.
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return ir.Constant(ir.IntType(8), 0)

    return types.int8(), generate


@njit(cache=True, nogil=True)
def publish(words: NDArray[np.int64], place: int, value: int) -> None:
    """Write ``words[place] = value`` so that whoever sees it sees all that was written before."""
    _fence()  # type: ignore[call-arg]
    words[place] = value
    _fence()


@njit(cache=True, nogil=True)
def spin_until(words: NDArray[np.int64], place: int, value: int, spins: int) -> bool:
    """Look at most so many times whether ``words[place] >= value``."""
    for _ in range(spins):
        _fence()  # type: ignore[call-arg]
        if words[place] >= value:
            _fence()
            return True
    return False
