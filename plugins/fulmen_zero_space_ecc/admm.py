"""The paper's other way to keep weights small: the alternating direction method of multipliers.

To minimise the loss f(W) with all weights W inside the box, ADMM minimises the augmented Lagrangian

    f(W) + rho / 2 * ||W - Z + U||^2

in turn over W, over Z inside the box and over the scaled dual U:

    W  <-  a step of the optimiser, whose gradient has  rho * (W - Z + U)  added
    Z  <-  projection of  W + U  onto the box
    U  <-  U + W - Z

The norm is squared and its gradient goes through W. (The published code of Guan et al., NeurIPS 2019,
has the norm itself, of detached tensors: no gradient at all. Theirs updates Z and U five times an epoch, here
each step does, as in stochastic ADMM: Ouyang et al., ICML 2013.) While it works, weights may lie outside;
one throttle ends it.

Right after an update only U need be kept: where U is 0, W + U lay inside, so that Z = W and the penalty is
0; elsewhere Z is the bound on the side that U points to.

Source of the method: Boyd et al., "Distributed Optimization and Statistical Learning via the Alternating
Direction Method of Multipliers", 2011, section 3.1.1 (scaled form) and chapter 5 (constraints).
"""

from __future__ import annotations

import torch
from torch import Tensor

from fulmen_zero_space_ecc.throttle import throttled


@torch.no_grad()
def update_dual_(dual: Tensor, weight: Tensor, scale: Tensor, free: slice) -> None:
    """Project and update the dual, in place, after a step of the optimiser.

    Args:
        dual: U, of the weight's shape and dtype; zeros at first.
        weight: W, any shape and memory format.
        scale: float32, no dimensions or broadcastable, positive; frozen.
        free: Which of the flattened weights are free.
    """
    moved = weight.detach() + dual
    dual.copy_(moved - throttled(moved, scale, free))


@torch.no_grad()
def penalty_gradient(dual: Tensor, weight: Tensor, scale: Tensor, free: slice, rho: float) -> Tensor:
    """Return ``rho * (W - Z + U)``, of the weight's shape, with W unchanged since `update_dual_`.

    Args:
        dual: U.
        weight: W.
        scale: As in `update_dual_`, and ``free`` likewise.
        free: Which of the flattened weights are free.
        rho: The strength, above 0.
    """
    far = torch.where(dual > 0, torch.inf, -torch.inf).to(weight.dtype)
    bound = throttled(far, scale, free)
    return torch.where(dual != 0, rho * (weight.detach() - bound + dual), 0.0)
