"""8-bit symmetric per-layer quantisation, simulated in floating point with straight-through gradients.

An integer weight is ``q = round(w / scale)`` in [-127, 127], with ``scale = max|w| / 127`` taken
once per layer. Activations are quantised in the same way by a running estimate of their range.

Source: Guan et al., NeurIPS 2019 (arXiv:1910.14479): 8 bits, symmetric, per layer,
for weights and activations. Straight-through gradients: Bengio et al., arXiv:1308.3432.
"""

from __future__ import annotations

import torch
from torch import Tensor

LARGEST = 127  # 2^(8-1) - 1; -128 is left out, so that the grid is symmetric


def max_abs_scale(weight: Tensor) -> Tensor:
    """Return the scale that puts the largest weight of a layer on 127.

    Args:
        weight: Floating point, any shape, not empty.

    Returns:
        float32, no dimensions. 0 if all weights are 0; not finite if one weight is not.
    """
    return weight.detach().abs().amax().float() / LARGEST


def quantize(weight: Tensor, scale: Tensor) -> Tensor:
    """Return the integers that weights stand for, without saturation, as floating-point numbers.

    Args:
        weight: Floating point, any shape.
        scale: float32, no dimensions or broadcastable against the weight, positive.
    """
    return torch.round(_at_least_float32(weight.detach()) / scale)


def fake_quantize_weight(weight: Tensor, scale: Tensor) -> Tensor:
    """Return weights rounded to the 8-bit grid; the gradient passes as if they had not been.

    Args:
        weight: Floating point, any shape.
        scale: float32, no dimensions or broadcastable, positive. Weights beyond 127 times the scale
            saturate.
    """
    rounded = quantize(weight, scale).clamp_(-LARGEST, LARGEST) * scale
    return _straight_through(weight, rounded)


def fake_quantize_activation(x: Tensor, largest: Tensor) -> Tensor:
    """Return activations rounded to the 8-bit grid of [-largest, largest].

    Args:
        x: Floating point, any shape.
        largest: float32, no dimensions, the magnitude that 127 stands for; 0 leaves ``x`` at 0.

    The gradient passes straight through inside the range and is 0 for activations that saturate.
    """
    largest = largest.clamp_min(1e-30)  # far above underflow, so that 0 / 0 cannot arise
    clipped = x.clamp(-largest, largest)
    scale = largest / LARGEST
    rounded = torch.round(_at_least_float32(clipped.detach()) / scale) * scale
    return _straight_through(clipped, rounded)


class ActivationRanges:
    """Running estimates of the largest activation magnitude of several layers.

    Attributes:
        largest: float32, one per layer: the estimate; 0 before the first update.
        updates: int64, one per layer: how many batches the estimate has seen.
        seen: float32, one per layer: the largest magnitude since the last update.

    The forward pass only notes what it sees; the estimates move between batches. So a forward pass
    that is run again (activation checkpointing) gives the same result, and processes can agree on
    what they saw before the estimates move.
    """

    def __init__(self, layers: int, decay: float, device: torch.device) -> None:
        self.decay = decay
        self.largest = torch.zeros(layers, device=device)
        self.updates = torch.zeros(layers, dtype=torch.int64, device=device)
        self.seen = torch.zeros(layers, device=device)

    def quantize(self, layer: int, x: Tensor, *, observe: bool) -> Tensor:
        """Quantise the activations that enter a layer, by its range or, before the first update, their own.

        Args:
            layer: The layer's place.
            x: Floating point, any shape, not empty.
            observe: Whether to note the range, as in training.
        """
        batch_largest = x.detach().abs().amax().float()
        if observe:
            self.seen[layer].copy_(torch.maximum(self.seen[layer], batch_largest))
        known = self.largest[layer]
        return fake_quantize_activation(x, torch.where(known > 0, known, batch_largest))

    def update(self, seen: Tensor) -> None:
        """Move the estimates towards what was seen; layers that saw nothing keep theirs.

        Args:
            seen: float32, one per layer: ``self.seen``, or its maximum over all processes.

        A mean at first, then an exponential moving average: the first batches have no lasting
        weight, which a plain average with the paper's decay of 0.999 would give them.
        """
        used = seen > 0
        self.updates += used
        rate = torch.clamp(1 / self.updates.clamp_min(1), min=1 - self.decay)
        self.largest += torch.where(used, rate * (seen - self.largest), 0.0)
        self.seen.zero_()


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _straight_through(x: Tensor, rounded: Tensor) -> Tensor:
    # x - x.detach() is exactly 0, so the value is exactly the rounded one and the gradient is x's.
    return rounded.to(x.dtype) + (x - x.detach())
