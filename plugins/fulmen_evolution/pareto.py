"""Points that no other point beats, and how much space they rule out. All costs are to be small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def non_dominated(costs: Floats) -> NDArray[np.bool_]:
    """Say which points no other point dominates.

    A point dominates another if it is nowhere greater and somewhere less. Of equal points all stay.

    Args:
        costs: Shape (n, m), finite. n may be 0.

    Returns:
        bool, shape (n,).
    """
    if costs.shape[1] == 2:
        return _non_dominated_plane(costs)
    kept = np.ones(len(costs), dtype=bool)
    for number, point in enumerate(costs):
        if kept[number]:  # what a dominated point dominates, its dominator dominates too
            kept &= ~((costs >= point).all(1) & (costs > point).any(1))
    return kept


def _non_dominated_plane(costs: Floats) -> NDArray[np.bool_]:
    order = np.lexsort((costs[:, 1], costs[:, 0]))
    first, second = costs[order].T
    # Before a point stand those with a smaller first cost, and its equals in the first with a smaller second.
    best = np.minimum.accumulate(second)
    before = np.concatenate([[np.inf], best[:-1]])
    kept = np.empty(len(costs), dtype=bool)
    equal = np.concatenate([[False], (first[1:] == first[:-1]) & (second[1:] == second[:-1])])
    good = second < before
    for place in np.flatnonzero(equal):
        good[place] = good[place - 1]
    kept[order] = good
    return kept


def ranks(costs: Floats) -> NDArray[np.int64]:
    """Return each point's front: 0 for the non-dominated, 1 for those so without these, and so on.

    Args:
        costs: Shape (n, m), finite.

    Returns:
        int64, shape (n,).

    Source: Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions on
    Evolutionary Computation 6(2), 2002, section III-A.
    """
    found = np.full(len(costs), -1, dtype=np.int64)
    rank = 0
    while (left := np.flatnonzero(found < 0)).size:
        found[left[non_dominated(costs[left])]] = rank
        rank += 1
    return found


def crowding(costs: Floats) -> Floats:
    """Return how alone each point is among the others: infinite at the ends of an objective.

    Args:
        costs: Shape (n, m), finite, of one front.

    Returns:
        float64, shape (n,): over the objectives, the sum of the distances between both neighbours, each as a
        share of the front's extent.

    Source: Deb et al. (2002), section III-B.
    """
    total = np.zeros(len(costs))
    for column in costs.T:
        order = np.argsort(column, kind="stable")
        extent = column[order[-1]] - column[order[0]] if len(order) else 0.0
        total[order[:1]] = total[order[-1:]] = np.inf
        if extent > 0:
            total[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / extent
    return total


def hypervolume(costs: Floats, reference: Floats) -> float:
    """Return the volume that some points dominate below a reference point.

    Args:
        costs: Shape (n, m), finite, m at least 1. n may be 0.
        reference: Shape (m,). Points not below it everywhere count nothing.

    Returns:
        The volume, in the product of the costs' units. Exact; for m above 2 by slices of the last objective,
        in time O(n^(m-1) log n).
    """
    inside = costs[(costs < reference).all(1)]
    if not len(inside):
        return 0.0
    if costs.shape[1] == 1:
        return float(reference[0] - inside.min())
    inside = inside[non_dominated(inside)]
    if costs.shape[1] == 2:
        first, second = inside[np.lexsort((inside[:, 1], inside[:, 0]))].T
        above = np.concatenate([[reference[1]], second[:-1]])
        return float(((reference[0] - first) * (above - second)).sum())
    order = np.argsort(inside[:, -1], kind="stable")
    inside = inside[order]
    heights = np.diff(np.append(inside[:, -1], reference[-1]))
    slices = (
        hypervolume(inside[: number + 1, :-1], reference[:-1]) * height
        for number, height in enumerate(heights)
    )
    return float(sum(slices))


def improvements(points: Floats, front: Floats, reference: Floats, generator: np.random.Generator) -> Floats:
    """Return by how much each point alone would enlarge the front's hypervolume.

    Args:
        points: Shape (c, m).
        front: Shape (n, m), non-dominated. n may be 0.
        reference: Shape (m,).
        generator: For three objectives and more the volume is estimated at random places.

    Returns:
        float64, shape (c,). Exact for one and two objectives.
    """
    front = front[(front < reference).all(1)]
    objectives = points.shape[1]
    if objectives == 1:
        best = min(front.min(initial=np.inf), reference[0])
        return np.asarray(np.maximum(best - points[:, 0], 0.0))
    if objectives == 2:
        return _plane_improvements(points, front, reference)
    return _estimated_improvements(points, front, reference, generator)


def _plane_improvements(points: Floats, front: Floats, reference: Floats) -> Floats:
    """Sum over the strips between the front's first costs: each is free below a known height.

    The strips that count for a point are neighbours: from the one it stands in to the last that is higher.
    All but the first count with their whole width, so that sums over them are differences of running sums.
    """
    first, second = front[np.argsort(front[:, 0], kind="stable")].T if len(front) else np.empty((2, 0))
    right = np.append(first, reference[0])
    height = np.concatenate([[reference[1]], second])  # falls
    width = np.concatenate([[0.0], np.diff(right)])  # the first one reaches to minus infinity
    widths, areas = (np.concatenate([[0.0], np.cumsum(part)]) for part in (width, width * height))
    across, up = points.T
    begin = np.searchsorted(right, across, side="right")
    end = np.searchsorted(-height, -up, side="left")
    inside = begin < end
    begin, end = np.where(inside, begin, 0), np.where(inside, end, 1)
    own = (right[begin] - across) * (height[begin] - up)
    whole = areas[end] - areas[begin + 1] - up * (widths[end] - widths[begin + 1])
    return np.asarray(np.where(inside, own + whole, 0.0))


def _estimated_improvements(
    points: Floats, front: Floats, reference: Floats, generator: np.random.Generator, places: int = 512
) -> Floats:
    low = np.minimum(points.min(0), reference)
    drawn = low + generator.random((places, len(reference))) * (reference - low)
    for member in front:
        drawn = drawn[~(member <= drawn).all(1)]
    below = np.ones((len(points), len(drawn)), dtype=bool)
    for cost, place in zip(points.T, drawn.T, strict=True):  # all at once would take three times as long
        below &= cost[:, None] <= place
    volume: float = float(np.prod(reference - low))
    return np.asarray(below.sum(1) * (volume / places))
