"""Asynchronous steady-state evolution for several objectives, guided by a surrogate.

There are no generations: whoever has a free slot asks, whoever has a result tells. After a few random
individuals, each ask takes one of three ways:

- the surrogate's choice (`surrogate.py`): among the neighbours of the front, and some a step further, the one
  that is expected to enlarge the front's hypervolume most, by the mean over some draws from the surrogate's
  posterior. Individuals in flight count as told what is expected of them (kriging believer), so that many
  children asked at once differ;
- a random neighbour of a random member of the front, now and then;
- a child of the population (without a surrogate, always): binary tournaments by rank and crowding, crossover
  perhaps, mutation.

No individual is asked for twice: equal genotypes have equal keys. Failures are kept with their status, are
never parents and never in the front; a surrogate of their own says who is likely to fail (`failures.py`).

Sources: Young et al., "Evolving deep networks using HPC", MLHPC 2017 (asynchronous steady state, failures
kept); Deb et al. (2002) for the tournament; Ginsbourger, Le Riche and Carraro, "Kriging is well-suited to
parallelize optimization", 2010, for the believer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fulmen_evolution.acquisition import most_promising
from fulmen_evolution.archive import Archive
from fulmen_evolution.failures import LIMIT, Failures
from fulmen_evolution.features import PairFeatures, Sparse, SparseRows
from fulmen_evolution.goals import Goals
from fulmen_evolution.individual import Individual, Told, individual_line
from fulmen_evolution.lattice import KnownNumbers, Lattice, Places
from fulmen_evolution.neighbours import Neighbours, Pool
from fulmen_evolution.pareto import Floats
from fulmen_evolution.randomness import keyed
from fulmen_evolution.selection import tournament, worth_of
from fulmen_evolution.settings import Settings
from fulmen_evolution.space import Genotype, Space
from fulmen_evolution.surrogate import LinearSurrogate
from fulmen_evolution.told_costs import ToldCosts, Warp

EPOCH = 8  # so many asks look at the same drawn neighbours
CROWD = 64  # centres on a lattice; of a larger front, others are looked around in each epoch
NAMES = 1 << 16  # of genotypes that are remembered; what is forgotten can be named again
FORMAT = 5


class EvolutionError(ValueError):
    """A result or a state does not belong to this evolution: one line."""


class SteadyState:
    """The algorithm. Everything drawn is keyed by what it is for, so that a state resumes exactly.

    Args:
        space: What there is.
        goals: What is wanted.
        seed: Of all that is drawn.
        settings: See there.
    """

    def __init__(self, space: Space, goals: Goals, seed: int = 0, settings: Settings | None = None) -> None:
        self.space = space
        self.goals = goals
        self.seed = seed
        self.settings = settings or Settings()
        self.asked = 0
        self.told: list[Told] = []
        self.flying: dict[int, Individual] = {}
        self._encoded: dict[int, Sparse] = {}  # the features of those in flight
        self._archive = Archive(goals.free, goals.limits)
        self._keys: set[str] = set()
        self._refused: list[str] = []
        self._population: list[Told] = []
        self._arrived: list[Told] = []  # not yet in it: with a surrogate it is hardly ever looked at
        self._features = PairFeatures(space.widths)
        self._model = LinearSurrogate(self._features.size, goals.columns, seed)
        self._costs = ToldCosts(goals.columns, self.settings.initial, goals.limits)
        self._failures = Failures(self._features.size, seed)
        self._lines: list[str] = []
        self._lattice = Lattice(space, self._features) if Lattice.fits(space) else None
        self._numbers = KnownNumbers()  # of what was asked for, on a lattice
        self._named: dict[int, str] = {}  # keys of numbers, where the space has a canonical name
        self._neighbours = Neighbours(space, self._features, seed, self.settings)

    def ask(self) -> Individual | None:
        """Return a new individual, or None if the space has no other that can be found."""
        for attempt in range(self.settings.retries):
            found = self._propose(self._generator("ask", self.asked, attempt))
            if found is None:
                return None
            if self.space.admits(found[0]):
                break
            self._refuse(self.space.key(found[0]))
        else:
            return None
        genotype, parents, origin = found
        individual = self._individual(self.asked, genotype, parents, origin)
        self.asked += 1
        self._remember(individual)
        self.flying[individual.id] = individual
        return individual

    def tell(self, id: int, status: str, values: Mapping[str, float]) -> None:
        """Take in a result.

        Args:
            id: Of the individual.
            status: ``ok``, or how it failed. ``ok`` with a value that is not finite becomes ``nan``.
            values: Objective to value; of a failure they do not matter.

        Raises:
            EvolutionError: the id was never asked for, or was told already.
            GoalError: an objective has no value, or one that is no number; the candidate is still in flight.
        """
        if id not in self.flying:
            known = "was told already" if 0 <= id < self.asked else "was never asked for"
            raise EvolutionError(f"candidate {id} {known}; expected one in flight")
        found = None
        if status == "ok":
            found = self.goals.values(values)
            status = status if found is not None else "nan"
        self._take_in(self._told(self.flying.pop(id), status, found))

    def front(self) -> list[Told]:
        """Return the feasible individuals that no feasible one dominates, in the order of their ids."""
        return sorted(self._archive.members, key=lambda told: told.individual.id)

    # Asking.

    def _propose(self, generator: np.random.Generator) -> tuple[Genotype, tuple[int, ...], str] | None:
        given = self.space.is_given(self.asked)
        if given or self.asked < self.settings.initial or not (self._arrived or self._population):
            origin = "given" if given else "random"
            found = self._unknown(lambda: (self.space.first(self.asked, generator), (), origin))
            # Two that are given may be one network.
            return found or self._unknown(lambda: (self.space.sample(generator), (), "random"))
        if self.settings.surrogate and (found := self._from_pool(generator)):
            return found
        return self._unknown(lambda: self._child(generator)) or self._unknown(
            lambda: (self.space.sample(generator), (), "random")
        )

    def _unknown(self, make: Any) -> tuple[Genotype, tuple[int, ...], str] | None:
        """Make one until it is new; in a space that can be listed, the last resort is to look."""
        for _ in range(self.settings.retries):
            made: tuple[Genotype, tuple[int, ...], str] = make()
            repeats = not (self.settings.deduplicate or self.settings.surrogate)
            if repeats or self.space.key(made[0]) not in self._keys:
                return made
        count = self.space.count
        if count is not None and len(self._keys) < count <= 1 << 16:
            left = [g for g in self.space.all() or [] if self.space.key(g) not in self._keys]
            if left:
                return left[0], (), "random"
        return None

    def _child(self, generator: np.random.Generator) -> tuple[Genotype, tuple[int, ...], str]:
        parents = self._parents()
        costs = np.array([told.costs for told in parents])
        worth = worth_of(costs, self.goals)
        first = tournament(worth, generator)
        if generator.random() < self.settings.crossover:
            second = tournament(worth, generator)
            a, b = parents[first].individual, parents[second].individual
            crossed = self.space.cross(a.genotype, b.genotype, generator)
            if self.space.key(crossed) not in (a.key, b.key):
                return crossed, (a.id, b.id), "crossover"
        one = parents[first].individual
        changes = 1 if generator.random() < 0.75 else 2
        return self.space.mutate(one.genotype, generator, changes), (one.id,), "mutation"

    def _parents(self) -> list[Told]:
        """Return the population; who has arrived since the last time enters it now, one after the other."""
        for told in self._arrived:
            self._population.append(told)
            if len(self._population) > self.settings.population:
                worth = worth_of(np.array([t.costs for t in self._population]), self.goals)
                self._population.pop(int(np.argmin(worth)))
        self._arrived.clear()
        return self._population

    def _from_pool(self, generator: np.random.Generator) -> tuple[Genotype, tuple[int, ...], str] | None:
        centres = self._centres()
        near = self._near_on_lattice(centres) if self._lattice else self._near(centres)
        if len(near.rows) > self.settings.pool:
            near = near.only(generator.permutation(len(near.rows))[: self.settings.pool])
        far, owners = self._far(centres, generator)
        if len(near.rows) + len(far) == 0:
            return None
        if len(near.rows) and generator.random() < self.settings.explore:
            place, origin = int(generator.integers(len(near.rows))), "neighbour"
        else:
            place, origin = self._choose(near.rows, far, generator), "surrogate"
        if place < len(near.rows):
            centre, number = (int(part) for part in near.whose[place])
            genotype = self._neighbours.genotype(centres[centre].individual, number)
            return genotype, (centres[centre].individual.id,), origin
        place -= len(near.rows)
        assert self._lattice
        return self._lattice.genotype(far[place]), (centres[int(owners[place])].individual.id,), origin

    def _centres(self) -> list[Told]:
        """Return whose neighbours are looked at: the front, of a large one others in each epoch."""
        front = self.front() or self._least_infeasible()
        most = self._neighbours.crowd(CROWD) if self._lattice else len(front)
        if self._lattice and len(front) <= most:
            return front
        # Where neighbours are drawn, the first centres may fill the pool: so each epoch has another order, in
        # which also one who comes new to the front during it has a place.
        lots = self._generator("centres", self.asked // EPOCH).random(self.asked)
        return sorted(front, key=lambda told: float(lots[told.individual.id]))[:most]

    def _near(self, centres: list[Told]) -> Pool:
        """Return unknown neighbours of the centres, some two changes away, until there are enough."""
        found: dict[str, tuple[int, int, int]] = {}
        self._neighbours.forget()
        epoch = self.asked // EPOCH
        distant = -(-self.settings.distant // max(len(centres), 1))
        for centre, told in enumerate(centres):
            if len(found) >= self.settings.pool:
                break
            around = self._neighbours.of(told.individual, epoch, distant)
            for number, (key, row, _) in enumerate(around):
                if key not in self._keys and key not in found:
                    found[key] = (row, centre, number)
        entries = np.array(list(found.values()), dtype=np.int64).reshape(-1, 3)
        return Pool(entries[:, 0], entries[:, 1:])

    def _near_on_lattice(self, centres: list[Told]) -> Pool:
        """Do the same at once; those two changes away are drawn for each ask."""
        assert self._lattice
        self._neighbours.forget()
        if not centres:
            return Pool(np.empty(0, dtype=np.int64), np.empty((0, 2), dtype=np.int64))
        around = self._neighbours.around([told.individual for told in centres], self._lattice)
        return Pool(around.rows, around.whose).only(np.flatnonzero(self._unknown_numbers(around.numbers)))

    def _far(self, centres: list[Told], generator: np.random.Generator) -> tuple[Places, Places]:
        """Return unknown genotypes two changes away, on a lattice, and the places of their centres."""
        if self._lattice is None or not centres or not self.settings.distant:
            return np.empty((0, 0), dtype=np.int64), np.empty(0, dtype=np.int64)
        middles = self._neighbours.around([told.individual for told in centres], self._lattice).middles
        drawn, owners = self._lattice.two_away(middles, self.settings.distant, generator)
        new = self._unknown_numbers(self._lattice.numbers(drawn))
        return drawn[new], owners[new]

    def _unknown_numbers(self, numbers: Places) -> NDArray[np.bool_]:
        unknown = self._numbers.lacks(numbers)
        if self.space.canonical is not None:
            left = np.flatnonzero(unknown)
            unknown[left] = [self._name(number) not in self._keys for number in numbers[left].tolist()]
        return unknown

    def _name(self, number: int) -> str:
        """Return the key of a genotype of a lattice, made once."""
        assert self._lattice
        if len(self._named) > NAMES:
            self._named.clear()
        if number not in self._named:
            genotype = self._lattice.genotype(self._lattice.places_of(number))
            self._named[number] = self.space.key(genotype)
        return self._named[number]

    def _choose(self, rows: NDArray[np.int64], far: Places, generator: np.random.Generator) -> int:
        """Return the place of the one that promises most, among near ones and, after them, far ones."""
        scale = self._costs.scale()
        warp = self._costs.warp(scale)
        weights = self._model.draw(warp.targets, self.settings.samples, generator)
        front = scale.normal(self._archive.costs)
        limits, free = scale.normal(self.goals.limits), self.goals.free
        costs = warp.back
        if self._failures.seen:  # one more cost, which is only to be kept within its limit
            weights = np.concatenate([weights, self._failures.draw(self.settings.samples, generator)], axis=2)
            front = np.pad(front, ((0, 0), (0, 1)))
            limits, free = np.append(limits, LIMIT), np.append(free, False)
            costs = partial(self._costs_and_chances, warp)
        if self.flying:
            front = np.concatenate([front, costs(self._flying_rows().times(weights).mean(1))])
        points = costs(self._products(rows, far, weights))
        return most_promising(points, front, limits, free, generator)

    def _costs_and_chances(self, warp: Warp, products: Floats) -> Floats:
        """Return costs on the scale and, after them, how likely it is that there will be none."""
        own = [warp.back(products[..., :-1]), self._failures.chances(products[..., -1:])]
        return np.concatenate(own, axis=-1)

    def _products(self, rows: NDArray[np.int64], far: Places, weights: Floats) -> Floats:
        """Return the products of near ones and, after them, far ones with weights of several samples."""
        near = self._neighbours.rows.times(weights, rows)
        if self._lattice is None or not len(far):
            return near
        return np.concatenate([near, self._lattice.times(far, weights)])

    def _flying_rows(self) -> SparseRows:
        encoded = SparseRows(self._features.size)
        for row in self._encoded.values():
            encoded.append(row)
        return encoded

    # Telling.

    def _told(self, individual: Individual, status: str, values: Sequence[float] | None) -> Told:
        if values is None:
            return Told(individual, status, None, None)
        return Told(individual, status, tuple(values), self.goals.costs(values))

    def _take_in(self, told: Told) -> None:
        self.told.append(told)
        self._lines.append(told.line())
        features = self._encoded.pop(told.individual.id, None)
        if features is not None and told.status != "cancelled":
            self._failures.add(features, told.costs is None)
        if told.costs is None:
            return
        self._costs.append(told.costs)
        if features is not None:
            self._model.add(features)
        self._archive.enter(told)
        self._arrived.append(told)

    def _least_infeasible(self) -> list[Told]:
        """Return the individual nearest to the limits, while none is within them."""
        ok = [told for told in self.told if told.costs is not None]
        scale = self._costs.scale()
        excess = [
            np.maximum(scale.normal(t.costs) - scale.normal(self.goals.limits), 0.0).sum()  # type: ignore[arg-type]
            for t in ok
        ]
        return [ok[int(np.argmin(excess))]] if ok else []

    # State.

    def state(self) -> dict[str, Any]:
        """Return all that is not in the arguments, as plain data."""
        return {
            "format": FORMAT,
            "seed": self.seed,
            "keys": list(self.space.keys),
            "objectives": self.goals.named,
            "asked": self.asked,
            # Lists, of which a study writes only what is new.
            "told": list(self._lines),
            "flying": [individual_line(individual) for individual in self.flying.values()],
            "refused": list(self._refused),
            "surrogate": self._model.state(),
            "failures": self._failures.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` returned, into an evolution that has not begun.

        Raises:
            EvolutionError: the state is of another space, seed or format.
        """
        if state.get("format") != FORMAT:
            raise EvolutionError(
                f"state: another version of the evolution wrote it (format {state.get('format')!r}, here "
                f"{FORMAT}); go on with that version"
            )
        mine = {"keys": list(self.space.keys), "seed": self.seed, "objectives": self.goals.named}
        for name, expected in mine.items():
            if state.get(name) != expected:
                raise EvolutionError(
                    f"state: {name} is {state.get(name)!r}; expected {expected!r}: give the search the "
                    "space, seed and objectives it began with"
                )
        if self.asked:
            raise EvolutionError("a state is loaded into an evolution that has begun; make a new one")
        told = [json.loads(line) for line in state["told"]]
        flying = [json.loads(line) for line in state["flying"]]
        for key in state["refused"]:
            self._refuse(key)
        self._model.plan(state["surrogate"])
        self._failures.plan(state["failures"])
        for id, genotype, parents, origin, status, values in told:
            individual = self._individual(id, self.space.genotype(genotype), tuple(parents), origin)
            self._remember(individual)
            self._take_in(self._told(individual, status, values))
        for id, genotype, parents, origin in flying:
            individual = self._individual(id, self.space.genotype(genotype), tuple(parents), origin)
            self._remember(individual)
            self.flying[id] = individual
        self.asked = state["asked"]

    def _individual(self, id: int, genotype: Genotype, parents: tuple[int, ...], origin: str) -> Individual:
        key = self.space.key(genotype)
        return Individual(id, genotype, key, parents, origin, self.space.overlay(genotype))

    def _generator(self, purpose: str, *numbers: int) -> np.random.Generator:
        return keyed(self.seed, purpose, *numbers)

    def _remember(self, individual: Individual) -> None:
        self._keys.add(individual.key)
        if not (self.settings.surrogate or self._lattice):
            return
        description = self.space.describe(individual.genotype)
        if self.settings.surrogate:
            self._encoded[individual.id] = self._features.encode(description)
        if self._lattice:
            self._numbers.add(int(self._lattice.numbers(self._lattice.described(description))))

    def _refuse(self, key: str) -> None:
        """Never propose again what cannot be evaluated."""
        self._keys.add(key)
        self._refused.append(key)
