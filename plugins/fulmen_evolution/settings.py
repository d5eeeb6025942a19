"""How an evolution goes about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """How an evolution goes about it.

    Attributes:
        initial: Random individuals at the beginning, or what the space begins with.
        population: How many the tournaments choose among, without a surrogate.
        explore: The share of asks that take a random neighbour of the front.
        crossover: The share of children with two parents, without a surrogate.
        surrogate: Whether the surrogate chooses.
        deduplicate: Whether equal individuals are never asked for twice.
        pool: How many neighbours the surrogate looks at, at most.
        draws: How many neighbours of a member are drawn for a key without a short list.
        distant: How many genotypes two changes away from the front are looked at besides. Without them the
            search ends where no single change is better.
        samples: What a neighbour is expected to gain is the mean over so many draws from the surrogate's
            posterior; one would be Thompson sampling.
        retries: How often a child that was known already is made anew.
    """

    initial: int = 15
    population: int = 20
    explore: float = 0.05
    crossover: float = 0.1
    surrogate: bool = True
    deduplicate: bool = True
    pool: int = 1024
    draws: int = 8
    distant: int = 200
    samples: int = 16
    retries: int = 100
