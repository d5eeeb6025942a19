"""Costs that are counted, not timed: the same on every machine."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


def parameters(network: nn.Module) -> int:
    """Return how many numbers a network has learnt."""
    return sum(parameter.numel() for parameter in network.parameters())


def flops(network: nn.Module, inputs: Tensor) -> int:
    """Return the floating-point operations of a forward pass, a multiplication and an addition being two.

    Counts convolutions, matrix products and attention, as ``torch.utils.flop_counter`` does.

    Args:
        network: In eval mode.
        inputs: A batch, of any size.
    """
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(inputs)
    return int(counter.get_total_flops())


def peak_bytes(network: nn.Module, inputs: Tensor) -> int:
    """Return the most bytes that weights and activations take at once in a forward pass.

    What an operation uses inside and gives back is not seen.

    Args:
        network: In eval mode.
        inputs: A batch, of any size; it counts.
    """
    held = {id(s): s for t in (*network.parameters(), *network.buffers()) if (s := t.untyped_storage())}
    mode = _Storages(sum(storage.nbytes() for storage in held.values()) + inputs.untyped_storage().nbytes())
    with torch.no_grad(), mode:
        network(inputs)
    return mode.peak


class _Storages(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storages that are alive."""

    def __init__(self, bytes_before: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = bytes_before
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {leaf.untyped_storage()._cdata for leaf in tree_leaves(args) if isinstance(leaf, Tensor)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._see(leaf, given)
        return result

    def _see(self, tensor: Tensor, given: set[int]) -> None:
        storage = tensor.untyped_storage()
        where = storage._cdata
        if where in given or where in self._known:  # a view, or in place
            return
        self._known.add(where)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, where, size)

    def _forget(self, where: int, size: int) -> None:
        self._known.discard(where)
        self.now -= size
