"""What is wanted of a candidate: objectives, their directions and bounds, as costs that are to be small."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Combine = Literal["pareto", "weighted", "bounds"]


class GoalError(ValueError):
    """Objectives are not what they should be: one line that says what was found and expected."""


@dataclass(frozen=True)
class Goal:
    """One quantity.

    Attributes:
        name: Its name among a candidate's values.
        mode: Whether much or little of it is good.
        bound: A candidate beyond it is infeasible; None: no bound.
    """

    name: str
    mode: Literal["max", "min"]
    bound: float | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("max", "min"):
            raise GoalError(f"objectives: {self.name}: mode is {self.mode!r}; expected max or min")
        if self.bound is not None and not (isinstance(self.bound, Real) and math.isfinite(self.bound)):
            raise GoalError(f"objectives: {self.name}: bound is {self.bound!r}; expected a finite number")

    @property
    def sign(self) -> float:
        """1 where little is good, -1 where much is."""
        return 1.0 if self.mode == "min" else -1.0


class Goals:
    """Several objectives, and how they are combined.

    Attributes:
        named: Each goal's name and ``max`` or ``min``, as text.
        columns: How many costs a candidate has.
        free: Which of them are minimised, bool, shape (columns,); the others are only kept within limits.
        limits: The greatest feasible cost of each, infinite where there is no bound.

    Args:
        goals: At least one.
        combine: ``pareto``: each is minimised, whatever the others; a bound is a limit besides.
            ``weighted``: their weighted sum is minimised. ``bounds``: those without a bound are minimised
            among the candidates within the bounds.
        weights: Of ``weighted``, by name, in units of 1 / the quantity; missing names weigh 1.

    Raises:
        GoalError: no goal, a name twice, a weight of nothing or without ``weighted``, nothing left to
            minimise.
    """

    def __init__(
        self, goals: Sequence[Goal], combine: Combine = "pareto", weights: Mapping[str, float] | None = None
    ) -> None:
        self.goals = tuple(goals)
        self.named = [f"{goal.name} {goal.mode}" for goal in goals]
        names = [goal.name for goal in goals]
        if not names:
            raise GoalError("objectives: there is none; expected one or more")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise GoalError(f"objectives: {twice} stands there twice; expected different names")
        if combine not in ("pareto", "weighted", "bounds"):
            raise GoalError(f"combine is {combine!r}; expected pareto, weighted or bounds")
        weights = dict(weights or {})
        if weights and combine != "weighted":
            raise GoalError(f"weights are given, but combine is {combine}; set combine to weighted")
        for name, weight in weights.items():
            if name not in names or not (math.isfinite(weight) and weight > 0):
                raise GoalError(
                    f"weights: {name}: {weight}; expected numbers above 0 for names out of {', '.join(names)}"
                )
        signs = np.array([goal.sign for goal in goals])
        bounds = np.array([np.inf if g.bound is None else g.sign * g.bound for g in goals])
        own = np.eye(len(goals)) * signs[:, None]
        free = np.isinf(bounds) if combine == "bounds" else np.ones(len(goals), dtype=bool)
        if not free.any():
            raise GoalError("combine is bounds, and every objective has a bound; leave one without")
        if combine == "bounds" and free.all():
            raise GoalError("combine is bounds, and no objective has a bound; give one, or leave combine out")
        if combine == "weighted":
            total = signs * np.array([weights.get(name, 1.0) for name in names])
            bounded = np.isfinite(bounds)
            own = np.concatenate([total[None], own[bounded]])
            bounds = np.concatenate([[np.inf], bounds[bounded]])
            free = np.arange(len(own)) == 0
        self._matrix = own
        self.columns = len(own)
        self.free: NDArray[np.bool_] = free
        self.limits: NDArray[np.float64] = bounds

    def values(self, given: Mapping[str, Any]) -> tuple[float, ...] | None:
        """Return the values of the objectives, in their order, or None if one is not finite.

        Raises:
            GoalError: one is missing, or is no number.
        """
        for goal in self.goals:
            if goal.name not in given:
                others = ", ".join(map(str, given)) or "none"
                raise GoalError(
                    f"there is no value of {goal.name}; expected one of each objective, got {others}"
                )
            if not isinstance(given[goal.name], Real):
                raise GoalError(f"{goal.name} is {given[goal.name]!r}; expected a number")
        found = tuple(float(given[goal.name]) for goal in self.goals)
        return found if all(map(math.isfinite, found)) else None

    def costs(self, values: Sequence[float]) -> NDArray[np.float64]:
        """Return what is minimised, of the values of the objectives in their order."""
        costs: NDArray[np.float64] = self._matrix @ np.array(values)
        return costs


def parse_goals(
    objectives: object, combine: Combine = "pareto", weights: Mapping[str, float] | None = None
) -> Goals:
    """Read objectives: ``{"accuracy": "max", ...}``, or a list of mappings or objects with name, mode, bound.

    Raises:
        GoalError: they are neither, or not what `Goals` takes.
    """
    if isinstance(objectives, Mapping):
        return Goals([Goal(str(name), mode) for name, mode in objectives.items()], combine, weights)
    if not isinstance(objectives, Sequence) or isinstance(objectives, str):
        raise GoalError(f"objectives are {objectives!r}; expected names with max or min")
    return Goals([_parse_goal(item) for item in objectives], combine, weights)


def _parse_goal(item: Any) -> Goal:
    if isinstance(item, Mapping):
        entry = dict(item)
    else:
        entry = {name: getattr(item, name) for name in ("name", "mode", "bound") if hasattr(item, name)}
    if not {"name", "mode"} <= set(entry):
        raise GoalError(f"objectives: {item!r}; expected name, mode and perhaps bound")
    return Goal(entry["name"], entry["mode"], entry.get("bound"))
