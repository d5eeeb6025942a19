"""Takes away the velocity that would carry a weight out of its box again.

A weight that a throttle stopped at its bound keeps its momentum, which pushes it against the bound for
as long as it lasts, whatever the gradient says. Here the part that points outward is removed, as
projected gradient methods with momentum do: what is left is the velocity along the box.

Source: the projection of the velocity onto the tangent cone of a convex set (for boxes: Bertsekas,
"Nonlinear Programming", section 2.3); no part of the paper.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fulmen_zero_space_ecc.weights.quantization import LARGEST
from fulmen_zero_space_ecc.weights.scales import flat_scale
from fulmen_zero_space_ecc.weights.throttle import HIGH, LOW

MOMENTA = ("momentum_buffer", "exp_avg")  # SGD, RMSprop, Muon; Adam and its kin


def has_momentum(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimiser keeps a velocity that `remove_outward_` knows."""
    return any("betas" in group or group.get("momentum", 0) > 0 for group in optimizer.param_groups)


@torch.no_grad()
def remove_outward_(
    weight: Tensor, scale: Tensor, free: slice, state: dict[str, Any], maximize: bool
) -> None:
    """Zero the velocity of those weights at a bound that it would carry outward, in place.

    Args:
        weight: A parameter, throttled; any shape and memory format.
        scale: float32, no dimensions or broadcastable, positive.
        free: Which of the flattened weights are free: their bounds are -127 and 127 times the scale.
        state: What the optimiser keeps of the weight; its ``momentum_buffer`` or ``exp_avg`` is changed.
            Optimisers move a weight against it.
        maximize: Whether the optimiser moves weights along it instead.
    """
    flat, steps = weight.detach().reshape(-1), flat_scale(scale, weight)
    low, high = (torch.empty_like(flat) for _ in range(2))
    low.copy_(LOW * steps)
    high.copy_(HIGH * steps)
    loose = steps[free] if steps.dim() else steps
    low[free] = (-LARGEST * loose).to(low)
    high[free] = (LARGEST * loose).to(high)
    sign = 1.0 if maximize else -1.0
    for key in MOMENTA:
        momentum = state.get(key)
        if isinstance(momentum, Tensor):
            velocity = sign * momentum.reshape(-1)
            outward = ((flat >= high) & (velocity > 0)) | ((flat <= low) & (velocity < 0))
            momentum.masked_fill_(outward.view(momentum.shape), 0)
