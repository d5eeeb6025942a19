"""The soft alternative to throttling at each step: a penalty that pulls large weights into the box.

The penalty is ``strength * sum(|excess|)`` over all weights, ``excess`` being how far a weight lies
outside of its box: [-64, 63] times the scale where it is held, [-127, 127] where it is free. It is
an exact penalty: where ``strength`` exceeds the gradient of the loss, a weight ends inside the box,
not near it. While it works, weights may lie outside; one throttle ends it.

The code published with the paper computes its penalty (an ADMM term) from detached tensors, so that
it has no gradient; this one has.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fulmen_zero_space_ecc.throttle import throttled


def excess(weight: Tensor, scale: Tensor, free: slice) -> Tensor:
    """Return how far each weight lies outside of its box, with its sign; 0 inside."""
    return weight.detach() - throttled(weight, scale, free)


@torch.no_grad()
def add_hinge_gradient_(weight: Tensor, scale: Tensor, free: slice, strength: float) -> None:
    """Add the gradient of the penalty, ``strength * sign(excess)``, to ``weight.grad``.

    Args:
        weight: A parameter; one without a gradient is left alone, it takes no step.
        scale: float32, no dimensions, positive; frozen.
        free: Which of the flattened weights are free.
        strength: The penalty's factor, per unit of weight; at least 0.
    """
    if weight.grad is not None:
        weight.grad.add_(excess(weight, scale, free).sign_(), alpha=strength)


def outside(weight: Tensor, scale: Tensor, free: slice) -> tuple[Tensor, Tensor]:
    """Return the flat indices (int64) and the values of the weights that lie outside of their box.

    With these, a throttled copy can be turned back into the weights as they were, bit for bit.
    """
    flat = weight.detach().reshape(-1)
    indices = torch.nonzero(excess(weight, scale, free).reshape(-1)).reshape(-1)
    return indices, flat[indices]


@torch.no_grad()
def put_back_(weight: Tensor, indices: Tensor, values: Tensor) -> None:
    """Undo a throttle: write the values that `outside` returned to their places."""
    flat = weight.detach().reshape(-1)
    flat[indices.to(weight.device)] = values.to(weight)
    if flat.data_ptr() != weight.data_ptr():
        weight.copy_(flat.view(weight.shape))
