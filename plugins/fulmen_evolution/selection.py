"""Which individuals become parents.

Source: Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions on
Evolutionary Computation 6(2), 2002: tournaments by rank and crowding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fulmen_evolution.goals import Goals
from fulmen_evolution.pareto import crowding, ranks


def worth_of(costs: NDArray[np.float64], goals: Goals) -> NDArray[np.int64]:
    """Return an order of individuals, the best with the greatest number: feasible, rank, crowding."""
    excess = np.maximum(costs - goals.limits, 0.0).sum(1)
    free = costs[:, goals.free]
    rank = ranks(free)
    alone = np.empty(len(costs))
    for front in range(int(rank.max(initial=0)) + 1):
        where = np.flatnonzero(rank == front)
        alone[where] = crowding(free[where])
    order = np.lexsort((-alone, rank, excess))  # the last key counts first
    worth = np.empty(len(costs), dtype=np.int64)
    worth[order] = np.arange(len(costs))[::-1]
    return worth


def tournament(worth: NDArray[np.int64], generator: np.random.Generator) -> int:
    """Return the better of two that are drawn."""
    first, second = generator.integers(len(worth), size=2).tolist()
    return int(first if worth[first] >= worth[second] else second)
