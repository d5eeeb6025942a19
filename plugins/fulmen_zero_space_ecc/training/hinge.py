"""The soft alternative to throttling at each step: a penalty that pulls large weights into the box.

The penalty is ``strength / 2 * sum(excess^2)`` (a squared hinge), ``excess`` being how far a weight lies
outside of its box: [-64, 63] times the scale where it is held, [-127, 127] where it is free. It is
applied as AdamW applies weight decay: not through the gradient, but to the weights, after each step
of the optimiser, so that each step takes back the fraction ``strength`` of the excess, whatever the
optimiser and its learning rate. While it works, weights may lie outside; one throttle ends it.

Why not through the gradient: adaptive optimisers divide by the penalty's own magnitude, so that
weights barely move while they are outside and barely learn after, and a falling learning rate stops
the penalty before its work is done. On digits (benchmarks/wot_digits.py, 10 seeds) that left 365
weights to the last throttle and cost 0.5 points against plain int8 training; decoupled, none and 0.0.

Sources: the penalty takes the place of the paper's ADMM variant (Guan et al., NeurIPS 2019), whose
published code computes it from detached tensors, so that it has no gradient; the decoupling is that
of Loshchilov and Hutter, ICLR 2019 (arXiv:1711.05101).
"""

from __future__ import annotations

import torch
from torch import Tensor

from fulmen_zero_space_ecc.weights.throttle import throttled


def excess(weight: Tensor, scale: Tensor, free: slice) -> Tensor:
    """Return how far each weight lies outside of its box, with its sign; 0 inside."""
    return weight.detach() - throttled(weight, scale, free)


@torch.no_grad()
def pull_(weight: Tensor, scale: Tensor, free: slice, strength: float) -> None:
    """Move each weight outside of its box a part of the way back, in place.

    Args:
        weight: A parameter, any shape and memory format.
        scale: float32, no dimensions or broadcastable against the weight, positive; frozen.
        free: Which of the flattened weights are free.
        strength: The fraction of the excess that is taken back, in (0, 1]; 1 is the throttle.
    """
    weight.sub_(excess(weight, scale, free), alpha=strength)


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
