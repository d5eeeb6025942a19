"""What one step of an 8-bit weight is worth: one scale a layer, or one for each of its output channels.

A scale is a float32 tensor without dimensions, or one that broadcasts against the weight, with one entry
a channel: shape (out, 1, 1, 1) for a convolution. Saved states hold it as a plain number, or as nested
lists of that shape, so that ``torch.tensor(saved)`` is the scale again.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

Granularity = Literal["layer", "channel"]
Scale = float | list[Any]


def channel_axis(layer: nn.Module) -> int:
    """Return the axis of a layer's weight along which output channels (rows of an embedding) lie."""
    # (in, out / groups, ...): output channels of different groups share a scale.
    return 1 if isinstance(layer, _ConvTransposeNd) else 0


def broadcastable(scales: Tensor, dim: int, axis: int) -> Tensor:
    """Shape one scale a channel, shape (channels,), so that it broadcasts against ``dim`` axes."""
    return scales.reshape([-1 if a == axis else 1 for a in range(dim)])


def blank(weight: Tensor, layer: nn.Module, granularity: Granularity) -> Tensor:
    """Return a scale of NaN, not yet known, of the right shape, on the CPU."""
    if granularity == "layer":
        return torch.full((), torch.nan)
    axis = channel_axis(layer)
    return broadcastable(torch.full((weight.shape[axis],), torch.nan), weight.dim(), axis)


def granularity_of(scale: Scale) -> Granularity:
    """Return whether a saved scale is one of a layer or one for each channel."""
    return "channel" if isinstance(scale, list) else "layer"


def largest(scale: Scale) -> float:
    """Return a saved scale, or the largest of its channels."""
    return float(torch.tensor(scale).amax())


def flat_scale(scale: Tensor, weight: Tensor) -> Tensor:
    """Return the scale of each flattened weight: shape (numel,), or as it is where it has no dimensions."""
    return scale.expand(weight.shape).reshape(-1) if scale.dim() else scale


def rows_of(tensor: Tensor, axis: int) -> Tensor:
    """Return a tensor with one channel a row: shape (channels, numel / channels)."""
    return tensor.movedim(axis, 0).reshape(tensor.shape[axis], -1)
