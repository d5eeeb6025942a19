"""A searcher for trying engines, studies and loops: a few lines, with all that the contract asks."""

from __future__ import annotations

from typing import Any

import numpy as np

import fulmen


class Climber(fulmen.Searcher):
    """Draws numbers ``x`` and ``y`` near the best so far, whose ``loss`` is the lowest.

    Args:
        seed: Of what it draws.
        limit: After so many it has nothing more; None for no limit.
        keys: The dotted keys that it sets.
    """

    def __init__(self, seed: int = 0, limit: int | None = None, keys: tuple[str, str] = ("x", "y")) -> None:
        self.seed, self.limit, self.keys = seed, limit, keys
        self.asked = self.told = 0
        self.best: list[float] | None = None

    def ask(self) -> fulmen.Candidate | None:
        """Return the next candidate, which depends on all that was told."""
        if self.limit is not None and self.asked >= self.limit:
            return None
        drawn = np.random.default_rng([self.seed, self.asked, self.told]).normal(0.0, 1.0, 2)
        middle = [0.0, 0.0] if self.best is None else self.best[1:]
        self.asked += 1
        values = {key: float(m + d) for key, m, d in zip(self.keys, middle, drawn, strict=True)}
        return fulmen.Candidate(self.asked - 1, values)

    def tell(self, candidate: fulmen.Candidate, evaluation: fulmen.Evaluation) -> None:
        """Remember the best."""
        self.told += 1
        if evaluation.status == "ok" and (self.best is None or evaluation.values["loss"] < self.best[0]):
            self.best = [evaluation.values["loss"], *(float(candidate.overlay[key]) for key in self.keys)]  # type: ignore[arg-type]

    def state_dict(self) -> dict[str, Any]:
        """Return all of it."""
        return {"asked": self.asked, "told": self.told, "best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.asked, self.told, self.best = state["asked"], state["told"], state["best"]


def bowl(x: float, y: float) -> dict[str, Any]:
    """Return the evaluation of a point: its loss is lowest at (3, -1), its cost at 0."""
    return {"values": {"loss": (x - 3) ** 2 + (y + 1) ** 2, "cost": abs(x) + abs(y)}}
