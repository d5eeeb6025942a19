"""One candidate of an evolution: what it is, where it came from, what became of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fulmen_evolution.space import Genotype


@dataclass(frozen=True)
class Individual:
    """A genotype that was asked for.

    Attributes:
        id: Counted from 0 in the order of asking.
        genotype: What it is.
        key: Equal for equal genotypes.
        parents: Ids.
        origin: How it was made: ``random``, ``surrogate``, ``neighbour``, ``mutation``, ``crossover``.
        overlay: The genotype as dotted keys and plain values.
    """

    id: int
    genotype: Genotype
    key: str
    parents: tuple[int, ...]
    origin: str
    overlay: dict[str, Any]


@dataclass(frozen=True)
class Told:
    """An individual and its result.

    Attributes:
        individual: Who.
        status: ``ok``, or how it failed.
        values: Of the objectives, in their order; None if it failed.
        costs: What is minimised of them, float64, shape (columns,); None if it failed.
    """

    individual: Individual
    status: str
    values: tuple[float, ...] | None
    costs: NDArray[np.float64] | None

    def line(self) -> str:
        """Return it as one line of JSON: `state` of thousands is joined lines, which is quick to make."""
        return json.dumps([*_fields(self.individual), self.status, self.values])


def individual_line(individual: Individual) -> str:
    """Return an individual as one line of JSON."""
    return json.dumps(_fields(individual))


def _fields(individual: Individual) -> list[Any]:
    return [individual.id, list(individual.genotype), list(individual.parents), individual.origin]
