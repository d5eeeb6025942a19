"""The box that leaves room for check bits, and the throttle that puts weights back into it.

In two's complement, bit 6 of an 8-bit integer equals its sign bit exactly when it lies in [-64, 63];
such a weight can give that bit to a check bit and get it back by sign extension.

Source: Guan et al., NeurIPS 2019 (arXiv:1910.14479): throttling after each step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fulmen_zero_space_ecc.weights.quantization import LARGEST, quantize
from fulmen_zero_space_ecc.weights.scales import flat_scale

LOW, HIGH = -64, 63


@torch.no_grad()
def throttle_(weight: Tensor, scale: Tensor, free: slice) -> None:
    """Clamp the float master of a layer, in place, to what its integers may be.

    Args:
        weight: Floating point, any shape and memory format; changed in place.
        scale: float32, no dimensions or broadcastable against the weight, positive; frozen. A scale
            that follows the weights would shrink with them, and make new large weights of those that
            were left alone.
        free: Which of the flattened weights are free: these are clamped to [-127, 127] times the
            scale, all others to [-64, 63] times the scale. NaN stays NaN.
    """
    flat = weight.detach().reshape(-1)  # shares memory, unless the memory format is another
    steps = flat_scale(scale, weight)
    widest = LARGEST * (steps[free] if steps.dim() else steps)
    loose = _clamped(flat[free], -widest, widest)
    flat.copy_(_clamped(flat, LOW * steps, HIGH * steps))
    flat[free] = loose
    if flat.data_ptr() != weight.data_ptr():
        weight.copy_(flat.view(weight.shape))


def throttled(weight: Tensor, scale: Tensor, free: slice) -> Tensor:
    """Return what `throttle_` would make of a weight, which stays as it is."""
    copy = weight.detach().clone()
    throttle_(copy, scale, free)
    return copy


def count_outside(weight: Tensor, scale: Tensor, free: slice) -> Tensor:
    """Count the held weights whose integers lie outside [-64, 63]; NaN counts as outside.

    Returns:
        int64, no dimensions, on the weight's device (no wait for the device).
    """
    integers = quantize(weight, scale).reshape(-1)
    outside = ~((integers >= LOW) & (integers <= HIGH))
    return outside.sum() - outside[free].sum()


def _clamped(flat: Tensor, low: Tensor, high: Tensor) -> Tensor:
    # Bounds with dimensions would lift a bfloat16 weight to float32; rounded first, they give the same.
    return flat.clamp(low.to(flat.dtype), high.to(flat.dtype)) if low.dim() else flat.clamp(low, high)
