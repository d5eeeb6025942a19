"""The paper's other way to keep weights small: the alternating direction method of multipliers.

To minimise the loss f(W) with all weights W inside the box, ADMM minimises the augmented Lagrangian

    f(W) + rho / 2 * ||W - Z + U||^2

in turn over W, over Z inside the box, and moves the scaled dual U:

    W  <-  a step of the optimiser, whose gradient has  rho * (W - Z + U)  added
    Z  <-  projection of  W + U  onto the box
    U  <-  U + W - Z

The norm is squared and its gradient goes through W. (The published code of Guan et al., NeurIPS 2019,
has the norm itself, of detached tensors: no gradient at all. Theirs updates Z and U five times an epoch,
here each step does, as in stochastic ADMM: Ouyang et al., ICML 2013.) While it works, weights may lie
outside; one throttle ends it.

Source of the method: Boyd et al., "Distributed Optimization and Statistical Learning via the Alternating
Direction Method of Multipliers", 2011, section 3.1.1 (scaled form) and chapter 5 (constraints).
"""

from __future__ import annotations

import torch
from torch import Tensor

from fulmen_zero_space_ecc.weights.throttle import throttled


@torch.no_grad()
def update_(projected: Tensor, dual: Tensor, weight: Tensor, scale: Tensor, free: slice) -> None:
    """Project, then move the dual, both in place, after a step of the optimiser.

    Args:
        projected: Z, of the weight's shape and dtype; overwritten.
        dual: U, likewise; zeros at first.
        weight: W, any shape and memory format.
        scale: float32, no dimensions or broadcastable, positive; frozen.
        free: Which of the flattened weights are free.
    """
    moved = weight.detach() + dual
    projected.copy_(throttled(moved, scale, free))
    dual.copy_(moved - projected)


@torch.no_grad()
def penalty_gradient(projected: Tensor, dual: Tensor, weight: Tensor, rho: float) -> Tensor:
    """Return ``rho * (W - Z + U)``, of the weight's shape.

    Args:
        projected: Z.
        dual: U.
        weight: W.
        rho: The strength, above 0.
    """
    return rho * (weight.detach() - projected + dual)
