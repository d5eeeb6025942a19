"""Which member: linear or not, with a variance head or not, by the held-out likelihood of each, scaled.

A forecast without a variance head is given the constant Gaussian variance of its own held-out errors;
the mean over targets of ``log s2 + e^2 / s2`` then compares all three. (Squared error alone would be
ruled by the few samples of a spike, a likelihood with a variance head alone by its overfitting in short
recordings: both mistakes were measured.)

Each target's forecast and variance are scaled first, on held-out time (`refit.RefitSums.scaled_loss`).
Networks train beyond their best forecast, since the graph becomes better; one that can bend has then
overfitted in size more than one that cannot, whatever the data are. (Development seed 100, 250 rows, linear
and nonlinear member. Lorenz-96, F = 40: AUROC .79 and .98, losses .92 and 1.01 unscaled. Linear
autoregression: AUROC .89 and .76, losses .94 and 1.32 unscaled, .73 and .75 scaled. The least loss on the
way, another remedy, takes the nonlinear one for both.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

LINEAR, NONLINEAR, HETEROSCEDASTIC = "linear", "nonlinear", "heteroscedastic"
# name: (nonlinear, variance)
MEMBERS = {LINEAR: (False, False), NONLINEAR: (True, False), HETEROSCEDASTIC: (True, True)}


def member_name(nonlinear: bool, variance: bool) -> str:
    """Return the key of ``MEMBERS`` of a member."""
    return next(name for name, shape in MEMBERS.items() if shape == (nonlinear, variance))


def held_out_loss(squared: np.ndarray, log_variance: np.ndarray) -> float:
    """Return the mean over targets of the negative log-likelihood (twice it, less log 2 pi).

    Args:
        squared: (targets,), mean of ``w e^2`` with ``w`` the forecast precision; the variance is scaled so
            that it is 1.
        log_variance: (targets,), mean of ``-log w``.
    """
    return float(np.mean(1 + np.log(np.maximum(squared, 1e-12)) + log_variance))


def choose_member(tried: Mapping[str, Sequence[float]]) -> tuple[str, dict[str, float]]:
    """Return the name of the best member and the loss of each.

    Args:
        tried: Name (a key of ``MEMBERS``) to the losses of one or more folds, the same for all.
    """
    losses = {name: float(np.mean(found)) for name, found in tried.items()}
    return min(losses, key=lambda name: losses[name]), losses
