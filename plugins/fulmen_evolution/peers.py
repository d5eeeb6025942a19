"""What the searchers around other libraries share: a flat space, and a state that is a log of what was said.

A sampler of another library keeps its state in objects that are no plain data. It is deterministic, though:
asked and told the same in the same order, it asks the same. So the state is the order itself, and a search
that is resumed says it all again to a new sampler, which takes as long as the sampler did.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

import fulmen
from fulmen.errors import ConfigError
from fulmen_evolution.domains import Choice, Range, SpaceError
from fulmen_evolution.evolution import EvolutionError
from fulmen_evolution.goals import GoalError, Goals, parse_goals
from fulmen_evolution.space import Genotype, parse_space
from fulmen_evolution.telling import refusals


class Peer(fulmen.Searcher):
    """A searcher around another library's.

    Args:
        library: Its name, for messages.
        space: Dotted key to choices or a range.
        objectives: Name to ``max`` or ``min``, or a list with name and mode.
        seed: Of all that is drawn; None stands for 0.

    Raises:
        UserError: the space or the objectives are not what they should be, or an objective has a bound.
    """

    def __init__(
        self,
        library: str,
        space: dict[str, Any],
        objectives: dict[str, Literal["max", "min"]] | list[Any] | None,
        seed: int | None,
    ) -> None:
        seed = seed or 0
        if seed < 0:
            raise ConfigError(f"searcher: seed is {seed}; expected 0 or more: change it.")
        self.library, self.seed = library, seed
        try:
            self.space = parse_space(space)
        except SpaceError as error:
            raise ConfigError(f"searcher: {error}: correct it.") from error
        for key, domain in zip(self.space.keys, self.space.domains, strict=True):
            if not isinstance(domain, Choice | Range):
                raise ConfigError(
                    f"searcher: space: {key}: {library} knows choices and ranges only; search "
                    "structures with evolution."
                )
        self.domains: list[Choice | Range] = [d for d in self.space.domains if isinstance(d, Choice | Range)]
        self.goals = _goals(objectives, library)
        self._asked = 0
        self._flying: set[int] = set()
        self._log: list[str] = []

    @abstractmethod
    def propose(self, id: int) -> Genotype | None:
        """Return what the library asks for as candidate ``id``, None for nothing until more is told."""

    @abstractmethod
    def learn(self, id: int, costs: Sequence[float] | None) -> None:
        """Tell the library what became of a candidate: what is to be small, None for a failure."""

    def ask(self) -> fulmen.Candidate | None:
        """Return the next candidate; None where the library waits for results."""
        genotype = self.propose(self._asked)
        if genotype is None:
            return None
        id, self._asked = self._asked, self._asked + 1
        self._flying.add(id)
        self._log.append(json.dumps(list(genotype)))
        seed = int(np.random.SeedSequence([self.seed, id]).generate_state(1)[0])
        return fulmen.Candidate(id, self.space.overlay(genotype), seed=seed, note={"origin": self.library})

    def tell(self, candidate: fulmen.Candidate, evaluation: fulmen.Evaluation) -> None:
        """Take in a result; one with a value that is not finite counts as failed.

        Raises:
            UserError: the candidate was told before or was never asked for; the evaluation is none, or is
                ``ok`` without a number for each objective.
        """
        with refusals(candidate, evaluation):
            if candidate.id not in self._flying:
                known = "was told already" if 0 <= candidate.id < self._asked else "was never asked for"
                raise EvolutionError(f"candidate {candidate.id} {known}; expected one in flight")
            values = self.goals.values(evaluation.values) if evaluation.status == "ok" else None
        plain = None if values is None else self.goals.costs(values).tolist()
        self.learn(candidate.id, plain)
        self._flying.discard(candidate.id)
        self._log.append(json.dumps({"id": candidate.id, "costs": plain}))

    def state_dict(self) -> dict[str, Any]:
        """Return what was asked and told, in order, a line of JSON each."""
        return {**self._identity, "log": list(self._log)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Say to the library again what was said; that takes the time that it took.

        Raises:
            UserError: the state is of another space, seed or sampler, or the library asks for something else
                now.
        """
        for name, expected in self._identity.items():
            if state.get(name) != expected:
                raise ConfigError(
                    f"searcher: state: {name} is {state.get(name)!r}; expected {expected!r}: "
                    f"give the search the {name} it began with."
                )
        for line in state["log"]:
            said = json.loads(line)
            self._log.append(line)
            if isinstance(said, Mapping):
                self.learn(said["id"], said["costs"])
                self._flying.discard(said["id"])
                continue
            genotype = self.propose(self._asked)
            self._flying.add(self._asked)
            self._asked += 1
            if genotype is None or json.dumps(list(genotype)) != line:
                raise ConfigError(
                    f"searcher: {self.library} does not ask again what it asked as candidate "
                    f"{self._asked - 1}, as another version of it would not; go on with the version that "
                    "began, or begin anew."
                )

    @property
    def _identity(self) -> dict[str, Any]:
        own = {"keys": list(self.space.keys), "seed": self.seed, "objectives": self.goals.named}
        return {**own, **self.identity()}

    def identity(self) -> dict[str, Any]:
        """Return further plain data that a state is only good for."""
        return {}


def find_class(path: str, home: str, extra: str, known: Sequence[str]) -> Any:
    """Return a class of a library by its name in ``home``, or by its dotted path.

    Raises:
        UserError: the library is not installed, or it has no such class; names near ones.
    """
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module or home), name)
    except ImportError as error:
        if (error.name or "").split(".")[0] == home.split(".")[0] and not _is_there(home):
            raise fulmen.UserError(
                f"searcher {extra} needs the extra {extra!r}: pip install 'fulmen[{extra}]'"
            ) from error
        raise ConfigError(
            f"searcher: {path} cannot be imported ({error}); expected a class of {home}."
        ) from error
    except AttributeError as error:
        near = difflib.get_close_matches(name, known, n=2)
        meant = f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(known)}."
        raise ConfigError(f"searcher: {module or home} has no {name}{meant}") from error


def _is_there(module: str) -> bool:
    return importlib.util.find_spec(module.split(".")[0]) is not None


def _goals(objectives: Any, library: str) -> Goals:
    if objectives is None:
        raise ConfigError("searcher: objectives are missing; expected names with max or min: give them.")
    try:
        goals = parse_goals(objectives)
    except GoalError as error:
        raise ConfigError(f"searcher: {error}: correct it.") from error
    for goal in goals.goals:
        if goal.bound is not None:
            raise ConfigError(
                f"searcher: objective {goal.name} has a bound, which {library} is not told of; leave it out, "
                "or search with evolution."
            )
    return goals
