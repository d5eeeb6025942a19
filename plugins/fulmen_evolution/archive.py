"""Those that no other beats, kept as results come in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fulmen_evolution.individual import Told
from fulmen_evolution.pareto import Floats


class Archive:
    """The individuals within limits that no other one within them dominates.

    Args:
        counted: Which costs count, bool, shape (m,); the others are only kept within their limits.
        limits: The greatest cost of each, infinite where there is none, shape (m,).

    Attributes:
        members: In the order of entering.
    """

    def __init__(self, counted: NDArray[np.bool_], limits: Floats) -> None:
        self.members: list[Told] = []
        self._counted, self._limits = counted, limits

    @property
    def costs(self) -> Floats:
        """The members' costs, shape (members, m)."""
        return np.array([told.costs for told in self.members]).reshape(-1, len(self._limits))

    def enter(self, told: Told) -> None:
        """Take in one with costs, unless a member dominates it; those that it dominates leave."""
        assert told.costs is not None
        if not (told.costs <= self._limits).all():
            return
        others, mine = self.costs[:, self._counted], told.costs[self._counted]
        if ((others <= mine).all(1) & (others < mine).any(1)).any():
            return
        beaten = np.asarray((mine <= others).all(1) & (mine < others).any(1)).tolist()
        self.members = [t for t, gone in zip(self.members, beaten, strict=True) if not gone] + [told]
