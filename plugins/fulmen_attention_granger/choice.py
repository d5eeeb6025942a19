"""Which member: linear or not, with a variance head or not, by the held-out likelihood of each.

A forecast without a variance head is given the constant Gaussian variance of its own held-out errors;
the mean over targets of ``log s2 + e^2 / s2`` then compares all three. (Squared error alone would be
ruled by the few samples of a spike, a likelihood with a variance head alone by its overfitting in short
recordings: both mistakes were measured.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fulmen_attention_granger.knockout import Knockouts

LINEAR, NONLINEAR, HETEROSCEDASTIC = "linear", "nonlinear", "heteroscedastic"
# name: (nonlinear, variance)
MEMBERS = {LINEAR: (False, False), NONLINEAR: (True, False), HETEROSCEDASTIC: (True, True)}


def held_out_loss(knockouts: Knockouts, variance: bool) -> float:
    """Return the mean over targets of the held-out negative log-likelihood (twice it, less log 2 pi)."""
    if variance:
        return float(knockouts.log_loss.mean())
    return float(1 + np.log(np.maximum(knockouts.squared_error, 1e-12)).mean())


def choose_member(tried: Mapping[str, Sequence[Knockouts]]) -> tuple[str, dict[str, float]]:
    """Return the name of the best member and the loss of each.

    Args:
        tried: Name (a key of ``MEMBERS``) to the readings of one or more folds, the same for all.
    """
    losses = {
        name: float(np.mean([held_out_loss(one, MEMBERS[name][1]) for one in readings]))
        for name, readings in tried.items()
    }
    return min(losses, key=lambda name: losses[name]), losses
