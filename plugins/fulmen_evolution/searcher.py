"""The searchers `evolution` and `random`: Candidates and Evaluations around the algorithm."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

import fulmen
from fulmen.errors import ConfigError
from fulmen_evolution.domains import SpaceError
from fulmen_evolution.evolution import EvolutionError, SteadyState
from fulmen_evolution.goals import GoalError, Goals, parse_goals
from fulmen_evolution.individual import Individual
from fulmen_evolution.overlaid import check_structures
from fulmen_evolution.randomness import keyed
from fulmen_evolution.settings import Settings
from fulmen_evolution.space import Canonical, Space, parse_space
from fulmen_evolution.structure import Structure
from fulmen_evolution.surrogate import ENSEMBLE
from fulmen_evolution.telling import refusals

Objectives = Mapping[str, Literal["max", "min"]] | Sequence[Any]


class Evolution(fulmen.Searcher):
    """Asynchronous steady-state evolution for several objectives, guided by a surrogate.

    Usable without Lightning, on whatever can be evaluated::

        space = {"op": ["conv", "skip"], "width": [16, 32]}
        evolution = Evolution(space, {"accuracy": "max", "latency": "min"})
        while (candidate := evolution.ask()) is not None:
            accuracy, latency = look_up(candidate.overlay["op"], candidate.overlay["width"])
            evolution.tell(candidate, fulmen.Evaluation({"accuracy": accuracy, "latency": latency}))

    Args:
        space: Dotted key of the config to its values: a list of choices, or ``{"linear": [low, high]}``, or
            ``log``, ``integer``, ``log_integer`` in its place. None: ``structures`` are all.
        objectives: Name to ``max`` or ``min``, or a list of mappings or Objectives with name, mode and bound.
            In a search, the config's ``objectives``.
        seed: Of all that is drawn. None: in a search ``seed_everything``, elsewhere 0.
        combine: ``pareto`` minimises each objective, whatever the others, within their bounds; ``weighted``
            their weighted sum; ``bounds`` those without a bound among the candidates within the bounds.
            Whichever it is, a search hands over, and trains in full, in the order of the first objective.
        weights: Of ``weighted``: name to weight, 1 where none is given.
        initial: Random candidates at the beginning.
        population: How many the tournaments choose among; of use without a surrogate.
        explore: The share of candidates that are random neighbours of the front.
        crossover: The share of children with two parents; of use without a surrogate.
        surrogate: Whether a model of the objectives chooses among the neighbours of the front.
        samples: The neighbour that is chosen is the one whose gain is greatest in the mean over so many draws
            from what the model believes, 1 to 64; 1 is Thompson sampling.
        deduplicate: Whether equal candidates are never asked for twice; with a surrogate they never are.
        canonical: Takes a candidate's keys and values, returns a text: the same for candidates that are the
            same network under two names, as in spaces with symmetries. Only one of these is evaluated. None:
            only equal candidates are the same. In YAML the path of a function: ``my_module.canonical``.
        structures: Dotted key of the config, such as ``model.init_args.network.init_args.layers``, to the
            lists of genes that it may be set to.

    Raises:
        UserError: the space or the objectives are not what they should be.
    """

    def __init__(
        self,
        space: dict[str, Any] | None = None,
        objectives: dict[str, Literal["max", "min"]] | list[Any] | None = None,
        seed: int | None = None,
        combine: Literal["pareto", "weighted", "bounds"] = "pareto",
        weights: dict[str, float] | None = None,
        initial: int = 15,
        population: int = 20,
        explore: float = 0.05,
        crossover: float = 0.1,
        surrogate: bool = True,
        deduplicate: bool = True,
        structures: dict[str, Structure] | None = None,
        canonical: Callable[[dict[str, Any]], str] | None = None,
        samples: int = 16,
    ) -> None:
        seed = _whole("seed", 0 if seed is None else seed, 0)
        initial, population = _whole("initial", initial, 1), _whole("population", population, 2)
        samples = _whole("samples", samples, 1)
        if samples > ENSEMBLE:
            raise ConfigError(f"searcher: samples is {samples}; expected at most {ENSEMBLE}: change it.")
        for name, share in (("explore", explore), ("crossover", crossover)):
            if not 0 <= share <= 1:
                raise ConfigError(f"searcher: {name} is {share}; expected a share from 0 to 1: change it.")
        settings = Settings(
            initial=initial,
            population=population,
            explore=explore,
            crossover=crossover,
            surrogate=surrogate,
            samples=samples,
            deduplicate=deduplicate,
        )
        self.algorithm = SteadyState(
            _space(space, structures, canonical), _goals(objectives, combine, weights), seed, settings
        )

    def ask(self) -> fulmen.Candidate | None:
        """Return the next candidate; None once no other can be found.

        Raises:
            UserError: ``canonical`` gives no text.
        """
        try:
            individual = self.algorithm.ask()
        except SpaceError as error:
            raise ConfigError(f"searcher: {error}.") from error
        return None if individual is None else self._candidate(individual)

    def check(self, config: Mapping[str, Any]) -> None:
        """Refuse structures for other images than the config's network takes."""
        _check(self.algorithm.space, config)

    def tell(self, candidate: fulmen.Candidate, evaluation: fulmen.Evaluation) -> None:
        """Take in a result; one with a value that is not finite counts as failed.

        Raises:
            UserError: the candidate was told before or was never asked for; the evaluation is none, or is
                ``ok`` without a number for each objective.
        """
        with refusals(candidate, evaluation):
            self.algorithm.tell(candidate.id, evaluation.status, evaluation.values)

    def state_dict(self) -> dict[str, Any]:
        """Return the whole state as plain data: a line of JSON for each candidate."""
        return self.algorithm.state()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned: what follows is what would have followed then.

        Raises:
            UserError: the state is of another space or seed.
        """
        try:
            self.algorithm.load(state)
        except (EvolutionError, SpaceError) as error:
            raise ConfigError(f"searcher: {error}.") from error

    def front(self) -> list[tuple[fulmen.Candidate, dict[str, float]]]:
        """Return the feasible candidates that no other beats in everything, each with its values."""
        names = [goal.name for goal in self.algorithm.goals.goals]
        return [
            (self._candidate(told.individual), dict(zip(names, told.values or (), strict=True)))
            for told in self.algorithm.front()
        ]

    def _candidate(self, individual: Individual) -> fulmen.Candidate:
        return fulmen.Candidate(
            id=individual.id,
            overlay=individual.overlay,
            parents=individual.parents,
            seed=_training_seed(self.algorithm.seed, individual.id),
            note={"origin": individual.origin},
        )


class Random(fulmen.Searcher):
    """Random search: every candidate is drawn anew from the whole space.

    Args:
        space: As of `Evolution`.
        seed: As of `Evolution`.
        deduplicate: Whether equal candidates are never asked for twice. A hundred tries in a row that draw
            nothing new end the search.
        structures: As of `Evolution`.
        canonical: As of `Evolution`.

    Raises:
        UserError: the space is not what it should be.
    """

    TRIES = 100

    def __init__(
        self,
        space: dict[str, Any] | None = None,
        seed: int | None = None,
        deduplicate: bool = True,
        structures: dict[str, Structure] | None = None,
        canonical: Callable[[dict[str, Any]], str] | None = None,
    ) -> None:
        seed = _whole("seed", 0 if seed is None else seed, 0)
        self.space = _space(space, structures, canonical)
        self.seed = seed
        self.deduplicate = deduplicate
        self.drawn = 0
        self._ids = 0
        self._keys: set[str] = set()

    def ask(self) -> fulmen.Candidate | None:
        """Return the next candidate; None once nothing new is drawn any more.

        Raises:
            UserError: ``canonical`` gives no text.
        """
        try:
            return self._draw()
        except SpaceError as error:
            raise ConfigError(f"searcher: {error}.") from error

    def _draw(self) -> fulmen.Candidate | None:
        for _ in range(self.TRIES):
            genotype = self.space.sample(keyed(self.seed, "random", self.drawn))
            self.drawn += 1
            key = self.space.key(genotype)
            known = key in self._keys
            self._keys.add(key)
            if not (known and self.deduplicate) and self.space.admits(genotype):
                id, self._ids = self._ids, self._ids + 1
                overlay = self.space.overlay(genotype)
                return fulmen.Candidate(
                    id, overlay, seed=_training_seed(self.seed, id), note={"origin": "random"}
                )
        return None

    def check(self, config: Mapping[str, Any]) -> None:
        """As of `Evolution`."""
        _check(self.space, config)

    def tell(self, candidate: fulmen.Candidate, evaluation: fulmen.Evaluation) -> None:
        """Learn nothing."""

    def state_dict(self) -> dict[str, Any]:
        """Return how much was drawn: the rest follows from the seed."""
        return {"keys": list(self.space.keys), "seed": self.seed, "drawn": self.drawn, "ids": self._ids}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned.

        Raises:
            UserError: the state is of another space or seed.
        """
        for name, expected in (("keys", list(self.space.keys)), ("seed", self.seed)):
            if state[name] != expected:
                raise ConfigError(
                    f"searcher: state: {name} is {state[name]!r}; expected {expected!r}: "
                    "give the search the space and seed it began with."
                )
        self.drawn, self._ids = state["drawn"], state["ids"]
        if self.deduplicate:
            self._keys = {
                self.space.key(self.space.sample(keyed(self.seed, "random", number)))
                for number in range(self.drawn)
            }


def _whole(name: str, value: Any, least: int) -> int:
    """Return a whole number as plain data, of which a state consists; numpy's are taken, too."""
    if not isinstance(value, numbers.Integral) or value < least:
        raise ConfigError(
            f"searcher: {name} is {value!r}; expected a whole number, {least} or more: change it."
        )
    return int(value)


def _space(
    space: dict[str, Any] | None, structures: dict[str, Structure] | None, canonical: Canonical | None
) -> Space:
    twice = sorted(set(space or {}) & set(structures or {}))
    if twice:
        raise ConfigError(f"searcher: {twice[0]} is a key of space and of structures: leave one out.")
    if canonical is not None and not callable(canonical):
        raise ConfigError(f"searcher: canonical is {canonical!r}; expected a function: import it.")
    try:
        domains = space if structures is None else {**(space or {}), **structures}
        made = parse_space(domains, canonical)  # type: ignore[arg-type]
        made.key(made.sample(np.random.default_rng(0)))  # refused at the door if it cannot be named
        return made
    except SpaceError as error:
        raise ConfigError(f"searcher: {error}: correct it.") from error


def _check(space: Space, config: Mapping[str, Any]) -> None:
    try:
        check_structures(space, config)
    except SpaceError as error:
        raise ConfigError(f"searcher.init_args.structures.{error}.") from error


def _goals(
    objectives: Objectives | None,
    combine: Literal["pareto", "weighted", "bounds"],
    weights: dict[str, float] | None,
) -> Goals:
    if objectives is None:
        raise ConfigError("searcher: objectives are missing; expected names with max or min: give them.")
    try:
        return parse_goals(objectives, combine, weights)
    except GoalError as error:
        raise ConfigError(f"searcher: {error}: correct it.") from error


def _training_seed(seed: int, id: int) -> int:
    """Return what ``seed_everything`` is given for a candidate: 32 bits, another for each."""
    return int(np.random.SeedSequence([seed, id]).generate_state(1)[0])
