"""Which point promises most, by what several draws from a surrogate say that it costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fulmen_evolution.pareto import Floats, improvements, non_dominated

BEYOND = 10.0  # what a cost above its limit weighs, while no draw sees a gain anywhere


def most_promising(
    points: Floats, front: Floats, limits: Floats, free: NDArray[np.bool_], generator: np.random.Generator
) -> int:
    """Return the place of the point whose expected improvement of the hypervolume is greatest.

    Args:
        points: Costs by each draw, shape (n, draws, m): 0 is the best that there may be, 1 what is usual.
        front: Costs that are known or taken for certain, shape (k, m); k may be 0.
        limits: Of each cost, infinite where there is none, shape (m,). A draw beyond them sees no gain.
        free: Which costs are to be small; the others are only kept within their limits, shape (m,).
        generator: For three costs and more the hypervolume is estimated at random places.

    Returns:
        The first of the best. Where no draw sees a gain, the one with the smallest costs in sum.

    Source: Emmerich, Giannakoglou and Naujoks, "Single- and multiobjective evolutionary optimization assisted
    by Gaussian random field metamodels", IEEE Transactions on Evolutionary Computation 10(4), 2006.
    """
    reference = np.minimum(limits[free], 1.0)
    front = front[(front <= limits).all(1)][:, free]
    front = front[non_dominated(front)]
    if np.isfinite(limits).any() and len(front) and not (front < reference).all(1).any():
        reference = np.maximum(reference, front.max(0))  # what is within the limits costs more than usual
    wanted = points[:, :, free]
    excess = np.maximum(points - limits, 0.0).sum(2)
    gains = improvements(wanted.reshape(-1, len(reference)), front, reference, generator)
    gain = np.where(excess > 0, 0.0, gains.reshape(excess.shape)).sum(1)
    if gain.max() > 0:
        return int(gain.argmax())
    return int((wanted.sum(2) + BEYOND * excess).sum(1).argmin())
