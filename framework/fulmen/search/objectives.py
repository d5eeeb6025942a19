"""What is optimised: objectives as costs to be minimised, bounds, and the front among results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fulmen.errors import ConfigError
from fulmen.search.pareto import Costs, hypervolume, non_dominated
from fulmen.searching import Evaluation, Objective
from fulmen.study import Told

_SOURCES = ("metric", "cost", "analyzer")
_COLUMNS = ("candidate", "failed", "failure", "parents", "place", "seconds", "seed", "status", "trained")


def check(objectives: Sequence[Objective]) -> None:
    """Refuse objectives that cannot be meant.

    Raises:
        ConfigError: says which one and why.
    """
    if not objectives:
        raise ConfigError("objectives: none are given; expected a list of {name, mode, source}.")
    names = [objective.name for objective in objectives]
    for objective in objectives:
        where = f"objectives: {objective.name!r}"
        if names.count(objective.name) > 1:
            raise ConfigError(f"{where}: stands there twice; names are unique.")
        if objective.name in _COLUMNS:
            raise ConfigError(f"{where}: is a column of the results; expected another name than {_COLUMNS}.")
        kinds = [kind for kind in _SOURCES if kind in objective.source]
        if len(kinds) != 1:
            raise ConfigError(
                f"{where}: source: expected one of metric, cost, analyzer, got "
                f"{dict(objective.source)!r:.80}."
            )
        allowed = {"analyzer": {"analyzer", "scalar"}, "cost": {"cost", "options"}}.get(kinds[0], {kinds[0]})
        if unknown := sorted(set(objective.source) - allowed):
            raise ConfigError(f"{where}: source: no such key {unknown[0]!r} beside {kinds[0]!r}.")
        if kinds[0] == "analyzer" and "scalar" not in objective.source:
            raise ConfigError(f"{where}: source: which of the analyzer's scalars? Add scalar: KEY.")


def costs_of(values: Mapping[str, float], objectives: Sequence[Objective]) -> list[float]:
    """Return the values in the order of the objectives, all to be minimised."""
    return [values[o.name] if o.mode == "min" else -values[o.name] for o in objectives]


def is_feasible(evaluation: Evaluation, objectives: Sequence[Objective]) -> bool:
    """Whether a result is ok and within every bound."""
    if evaluation.status != "ok":
        return False
    within = (
        evaluation.values[o.name] <= o.bound if o.mode == "min" else evaluation.values[o.name] >= o.bound
        for o in objectives
        if o.bound is not None
    )
    return all(within)


def front(told: Sequence[Told], objectives: Sequence[Objective]) -> list[Told]:
    """Return the feasible results that no other beats, best in the first objective first.

    Results with equal values are all kept.
    """
    feasible = [one for one in told if is_feasible(one.evaluation, objectives)]
    if not feasible:
        return []
    costs = _costs(feasible, objectives)
    kept = [one for one, keep in zip(feasible, non_dominated(costs), strict=True) if keep]
    return sorted(kept, key=lambda one: (costs_of(one.evaluation.values, objectives), one.candidate.id))


def reference_point(told: Sequence[Told], objectives: Sequence[Objective]) -> list[float] | None:
    """Return the corner that hypervolumes are measured from: the worst of the first ten feasible results.

    It must not move while a search goes on, or the volumes of two moments could not be compared. None
    until there are ten.
    """
    feasible = [one for one in told if is_feasible(one.evaluation, objectives)][:10]
    return None if len(feasible) < 10 else _costs(feasible, objectives).max(0).tolist()


def volume(told: Sequence[Told], objectives: Sequence[Objective]) -> float | None:
    """Return the hypervolume that the feasible results dominate, or None before there are ten."""
    reference = reference_point(told, objectives)
    if reference is None:
        return None
    return hypervolume(_costs(front(told, objectives), objectives), reference)


def parse(specifications: Sequence[Mapping[str, Any] | Objective]) -> list[Objective]:
    """Return the objectives that mappings describe, checked.

    Raises:
        ConfigError: a key or value makes no sense.
    """
    parsed = []
    for one in specifications:
        if isinstance(one, Objective):
            parsed.append(one)
            continue
        missing = sorted({"name", "mode", "source"} - set(one))
        unknown = sorted(set(one) - {"name", "mode", "source", "bound"})
        if missing or unknown:
            what = f"lacks {missing[0]!r}" if missing else f"has no key {unknown[0]!r}"
            raise ConfigError(f"objectives: {dict(one)!r:.80} {what}; expected name, mode, source, bound.")
        if not isinstance(one["name"], str) or not one["name"]:
            raise ConfigError(f"objectives: name: expected a text, got {one['name']!r:.60}.")
        if one["mode"] not in ("max", "min"):
            raise ConfigError(f"objectives: {one['name']!r}: mode: expected max or min, got {one['mode']!r}.")
        if not isinstance(one["source"], Mapping):
            raise ConfigError(
                f"objectives: {one['name']!r}: source: expected keys such as {{metric: val_acc}}, got "
                f"{one['source']!r:.60}."
            )
        bound = one.get("bound")
        if bound is not None and not (isinstance(bound, int | float) and math.isfinite(bound)):
            raise ConfigError(f"objectives: {one['name']!r}: bound: expected a number, got {bound!r:.60}.")
        parsed.append(Objective(**one))
    check(parsed)
    return parsed


def _costs(told: Sequence[Told], objectives: Sequence[Objective]) -> Costs:
    rows = [costs_of(one.evaluation.values, objectives) for one in told]
    return np.array(rows, np.float64).reshape(len(rows), len(objectives))
