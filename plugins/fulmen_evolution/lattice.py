"""Genotypes of choices alone as rows of whole numbers: many at once, where one by one would take too long."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fulmen_evolution.domains import Choice
from fulmen_evolution.features import PairFeatures, sparse_times
from fulmen_evolution.space import Description, Genotype, Space

Places = NDArray[np.int64]


class KnownNumbers:
    """Numbers of genotypes, kept in order: asking for a thousand at once takes a few microseconds."""

    def __init__(self) -> None:
        self._sorted: Places = np.array([np.iinfo(np.int64).max])  # above all numbers: there is always a next

    def add(self, number: int) -> None:
        """Take in a number."""
        place = int(np.searchsorted(self._sorted, number))
        # As np.insert does, which takes five times as long to find out what is meant.
        self._sorted = np.concatenate([self._sorted[:place], [number], self._sorted[place:]])

    def lacks(self, numbers: Places) -> NDArray[np.bool_]:
        """Say which of these have not been taken in."""
        return np.asarray(self._sorted[np.searchsorted(self._sorted, numbers)] != numbers)


class Lattice:
    """A space whose keys are all choices.

    Args:
        space: Of choices alone; see `fits`.
        features: Of its genotypes.
    """

    def __init__(self, space: Space, features: PairFeatures) -> None:
        self._space, self._features = space, features
        self._counts: Places = np.array(space.widths, dtype=np.int64)
        self._radix: Places = np.concatenate([[1], np.cumprod(self._counts[:-1])]).astype(np.int64)
        self._free = np.flatnonzero(self._counts > 1)

    @staticmethod
    def fits(space: Space) -> bool:
        """Say whether all keys are choices, two of them real ones, and 62 bits number all genotypes."""
        choices = [domain for domain in space.domains if isinstance(domain, Choice)]
        many = sum(domain.count > 1 for domain in choices)
        return len(choices) == len(space.domains) and many > 1 and math.prod(space.widths) < 1 << 62

    def places(self, genotype: Genotype) -> Places:
        """Return the place of each value in its list: int64, shape (keys,)."""
        return self.described(self._space.describe(genotype))

    @staticmethod
    def described(description: Description) -> Places:
        """Return the same of a genotype's description."""
        return np.array([entries[0][0] for entries in description], dtype=np.int64)

    def numbers(self, places: Places) -> Places:
        """Return a number for each row, equal only for equal rows."""
        return places @ self._radix

    def places_of(self, number: int) -> Places:
        """Return the row of a number."""
        return number // self._radix % self._counts

    def genotype(self, places: Places) -> Genotype:
        """Return the genotype of a row."""
        pairs = zip(self._space.domains, places.tolist(), strict=True)
        return tuple(domain.values[place] for domain, place in pairs if isinstance(domain, Choice))

    def two_away(self, centres: Places, count: int, generator: np.random.Generator) -> tuple[Places, Places]:
        """Draw genotypes that differ from a centre in two keys.

        Args:
            centres: Shape (n, keys).
            count: How many.
            generator: Draws.

        Returns:
            The genotypes, shape (count, keys), and which centre each is of, shape (count,).
        """
        owners = generator.integers(len(centres), size=count)
        drawn = centres[owners]
        first = generator.integers(len(self._free), size=count)
        second = (first + generator.integers(1, len(self._free), size=count)) % len(self._free)
        rows = np.arange(count)
        for chosen in (self._free[first], self._free[second]):
            step = generator.integers(1, self._counts[chosen])
            drawn[rows, chosen] = (drawn[rows, chosen] + step) % self._counts[chosen]
        return drawn, owners

    def times(self, places: Places, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the products of the rows' features with weights of shape (size, ...): shape (rows, ...)."""
        return sparse_times(*self._features.encode_many(places), weights)
