"""What lies around the front: one change away, and some two away, with the features of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fulmen_evolution.features import PairFeatures, SparseRows
from fulmen_evolution.individual import Individual
from fulmen_evolution.lattice import Lattice, Places
from fulmen_evolution.randomness import keyed
from fulmen_evolution.settings import Settings
from fulmen_evolution.space import Genotype, Space

ROWS = 1 << 14  # of remembered features; what is forgotten can be made again
TOGETHER = 1 << 13  # neighbours on a lattice that are looked at together: with room for the next epoch's


@dataclass(frozen=True)
class Pool:
    """Unknown neighbours of the front.

    Attributes:
        rows: Of their features, int64, shape (n,).
        whose: The place of each one's centre, and its number among what lies around that, shape (n, 2).
    """

    rows: NDArray[np.int64]
    whose: NDArray[np.int64]

    def only(self, places: NDArray[np.int64]) -> Pool:
        """Return some of them."""
        return Pool(self.rows[places], self.whose[places])


@dataclass(frozen=True)
class Around:
    """What lies around several individuals on a lattice, known or not, each genotype once.

    Attributes:
        ids: Of the individuals.
        numbers: Of the genotypes one change away, int64, shape (n,).
        rows: Of their features, shape (n,).
        whose: As of `Pool`.
        middles: The places of the individuals' own values, shape (individuals, keys).
    """

    ids: list[int]
    numbers: Places
    rows: NDArray[np.int64]
    whose: NDArray[np.int64]
    middles: Places


class Neighbours:
    """What lies around individuals, with its features, made once."""

    def __init__(self, space: Space, features: PairFeatures, seed: int, settings: Settings) -> None:
        self._space, self._features, self._seed, self._settings = space, features, seed, settings
        self.rows = SparseRows(features.size)
        self._row_of: dict[str, int] = {}
        self._known: dict[tuple[int, int], list[tuple[str, int, Genotype]]] = {}
        self._numbered: dict[int, NDArray[np.int64]] = {}
        self._around: Around | None = None
        self._last: dict[int, list[tuple[str, int, Genotype]]] = {}

    def forget(self) -> None:
        """Free the memory once there is much; whatever is asked for again is made again, the same."""
        if self.rows.count > ROWS:
            self.rows = SparseRows(self._features.size)
            self._row_of.clear()
            self._known.clear()
            self._numbered.clear()
            self._around = None
            self._last.clear()

    def crowd(self, most: int) -> int:
        """Return how many individuals are looked around together on a lattice, ``most`` at most."""
        around = sum((domain.count or 1) - 1 for domain in self._space.domains)
        return max(1, min(most, TOGETHER // max(around, 1)))

    def of(self, individual: Individual, epoch: int, distant: int) -> list[tuple[str, int, Genotype]]:
        """Return key, row and genotype of each: one change away, and so many of this epoch two away."""
        around = self._near(individual, epoch) + self._distant(individual, epoch, distant)
        self._last[individual.id] = around
        return around

    def around(self, individuals: list[Individual], lattice: Lattice) -> Around:
        """Return what lies one change away from any of them; made anew where they are others than before."""
        ids = [individual.id for individual in individuals]
        if self._around is None or self._around.ids != ids:
            near = [self._numbers_near(individual, lattice) for individual in individuals]
            numbers, rows = np.concatenate(near, axis=1)
            sizes = [part.shape[1] for part in near]
            centre = np.repeat(np.arange(len(near)), sizes)
            offset = np.arange(len(numbers)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            first = np.sort(np.unique(numbers, return_index=True)[1])  # in the order of the individuals
            whose = np.stack([centre[first], offset[first]], axis=1)
            middles = np.stack([lattice.places(individual.genotype) for individual in individuals])
            self._around = Around(ids, numbers[first], rows[first], whose, middles)
        return self._around

    def _numbers_near(self, individual: Individual, lattice: Lattice) -> NDArray[np.int64]:
        """Return the numbers on a lattice, and the rows, of those one change away: shape (2, n)."""
        if individual.id not in self._numbered:
            around = self._last[individual.id] = self._near(individual, 0)
            numbers = [int(lattice.numbers(lattice.places(genotype))) for _, _, genotype in around]
            self._numbered[individual.id] = np.array([numbers, [row for _, row, _ in around]], dtype=np.int64)
        return self._numbered[individual.id]

    def genotype(self, individual: Individual, number: int) -> Genotype:
        """Return one of those that were returned last."""
        return self._last[individual.id][number][2]

    def _near(self, individual: Individual, epoch: int) -> list[tuple[str, int, Genotype]]:
        where = (individual.id, -1 if self._space.listed else epoch)
        if where not in self._known:
            generator = keyed(self._seed, "near", individual.id, 1 + where[1])
            near = self._space.neighbours(individual.genotype, generator, self._settings.draws)
            self._known[where] = [self._entry(genotype) for genotype in near]
        return self._known[where]

    def _distant(self, individual: Individual, epoch: int, count: int) -> list[tuple[str, int, Genotype]]:
        known = self._known.setdefault((~individual.id, epoch), [])
        for number in range(len(known), count):
            generator = keyed(self._seed, "distant", individual.id, epoch, number)
            known.append(self._entry(self._space.mutate(individual.genotype, generator, changes=2)))
        return known[:count]

    def _entry(self, genotype: Genotype) -> tuple[str, int, Genotype]:
        key = self._space.key(genotype)
        if key not in self._row_of:
            self._row_of[key] = self.rows.append(self._features.encode(self._space.describe(genotype)))
        return key, self._row_of[key], genotype
