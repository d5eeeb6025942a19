"""Which candidates no other beats, and how much of the space of objectives they dominate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.float64]


def non_dominated(costs: Costs) -> NDArray[np.bool_]:
    """Return which rows no other row beats.

    Args:
        costs: float64, shape (n, objectives), all to be minimised, finite. n may be 0.

    Returns:
        bool, shape (n,). A row is beaten by one that is nowhere larger and somewhere smaller; equal
        rows do not beat each other.
    """
    kept = np.ones(len(costs), bool)
    for index in np.lexsort(costs.T[::-1]):  # whoever is beaten is beaten by one that comes earlier
        if kept[index]:
            others = costs[index] <= costs
            kept &= ~(others.all(1) & (costs[index] < costs).any(1))
            kept[index] = True
    return kept


def hypervolume(costs: Costs, reference: Sequence[float]) -> float:
    """Return the volume between the rows' front and a reference point.

    Args:
        costs: float64, shape (n, objectives), all to be minimised.
        reference: One number per objective; rows that are not below it in all add nothing.

    Slices along the last objective: exact, and quick for the fronts of a search (n^(objectives - 1)).
    """
    point = np.asarray(reference, np.float64)
    inside = costs[(costs < point).all(1)] if len(costs) else costs
    if not len(inside):
        return 0.0
    if inside.shape[1] == 1:
        return float(point[0] - inside.min())
    inside = inside[np.argsort(inside[:, -1], kind="stable")]
    ends = np.append(inside[1:, -1], point[-1])
    slices = (
        (end - row[-1]) * hypervolume(inside[: index + 1, :-1], point[:-1].tolist())
        for index, (row, end) in enumerate(zip(inside, ends, strict=True))
        if end > row[-1]
    )
    return float(sum(slices))
