"""The searcher `pymoo`: pymoo's algorithms, one generation after the other."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from fulmen.errors import ConfigError
from fulmen_evolution.peers import Peer, find_class
from fulmen_evolution.space import Genotype

HOME = "pymoo.algorithms.moo"
_ALGORITHMS = ("nsga2.NSGA2", "nsga3.NSGA3", "sms.SMSEMOA", "age.AGEMOEA", "rvea.RVEA", "spea2.SPEA2")


class PymooSearcher(Peer):
    """An algorithm of pymoo's as a searcher.

    Each key is a number from 0 to 1, of which each choice and each whole number has an equal share; genetic
    algorithms are given a repair that moves it to the middle of its share, so that they see duplicates. The
    algorithms work in generations: with a generation in flight, nothing is asked for until all of it is told.
    A failure is infeasible.

    Args:
        space: As of `Evolution`.
        objectives: As of `Evolution`, without bounds. In a search, the config's ``objectives``.
        seed: Of the algorithm. None: in a search ``seed_everything``, elsewhere 0.
        algorithm: ``module.Class`` in ``pymoo.algorithms.moo``, such as ``nsga2.NSGA2``, or the dotted path
            of any algorithm.
        options: Of the algorithm, such as ``{"pop_size": 20}``.

    Raises:
        UserError: the space, the objectives, the algorithm or its options are not what they should be, or
            pymoo is not installed.
    """

    def __init__(
        self,
        space: dict[str, Any],
        objectives: dict[str, Literal["max", "min"]] | list[Any] | None = None,
        seed: int | None = None,
        algorithm: str = "nsga2.NSGA2",
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__("pymoo", space, objectives, seed)
        self.algorithm, self.options = algorithm, dict(options or {})
        path = (
            algorithm if algorithm.startswith("pymoo.") or algorithm.count(".") > 1 else f"{HOME}.{algorithm}"
        )
        names = [name.rpartition(".")[2] for name in _ALGORITHMS]
        algorithm_class = find_class(path, HOME, "pymoo", names)
        self._algorithm = self._begin(algorithm_class)
        self._generation: Any = None
        self._first = 0  # the id of the generation's first
        self._given = 0
        self._costs: dict[int, Sequence[float] | None] = {}
        self._worst = np.zeros(self.goals.columns)

    def _begin(self, algorithm_class: Any) -> Any:
        from pymoo.algorithms.base.genetic import GeneticAlgorithm
        from pymoo.core.problem import Problem
        from pymoo.core.repair import Repair
        from pymoo.core.termination import NoTermination

        domains = self.domains

        class ToMiddles(Repair):
            """Moves each number to the middle of the share that it is in."""

            def _do(self, problem: Any, X: Any, **unused: Any) -> Any:  # noqa: N803
                rows = [[d.unit(d.at(u)) for d, u in zip(domains, row, strict=True)] for row in X]
                return np.array(rows).reshape(np.shape(X))

        known = {
            name
            for base in inspect.getmro(algorithm_class)
            if "__init__" in vars(base)
            for name in inspect.signature(base).parameters
        }
        if unknown := sorted(set(self.options) - known):
            near = difflib.get_close_matches(unknown[0], known, n=1)
            meant = f"; did you mean {near[0]}?" if near else "."
            raise ConfigError(f"searcher: algorithm {self.algorithm}: no option {unknown[0]!r}{meant}")
        size = self.options.get("pop_size", 2)
        if not isinstance(size, int) or size < 2:
            raise ConfigError(
                f"searcher: algorithm {self.algorithm}: pop_size: expected a whole number, 2 or more, got "
                f"{size!r:.60}."
            )
        genetic = isinstance(algorithm_class, type) and issubclass(algorithm_class, GeneticAlgorithm)
        try:
            made = algorithm_class(**{**({"repair": ToMiddles()} if genetic else {}), **self.options})
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"searcher: algorithm {self.algorithm}: {error}; correct its options."
            ) from error
        problem = Problem(len(domains), n_obj=self.goals.columns, n_ieq_constr=1, xl=0.0, xu=1.0)
        made.setup(problem, termination=NoTermination(), seed=self.seed, verbose=False)
        return made

    def propose(self, id: int) -> Genotype | None:
        """Return the next of the generation; None while others of it are in flight."""
        if self._generation is not None and self._given == len(self._generation):
            return None
        if self._generation is None:
            self._generation = self._algorithm.ask()
            self._first, self._given = id, 0
            if self._generation is None or len(self._generation) == 0:
                self._generation = None
                return None
        units = self._generation[self._given].X
        self._given += 1
        return tuple(domain.at(float(unit)) for domain, unit in zip(self.domains, units, strict=True))

    def learn(self, id: int, costs: Sequence[float] | None) -> None:
        """Keep a result; tell the algorithm when the generation is complete."""
        self._costs[id - self._first] = costs
        if costs is not None:
            self._worst = np.maximum(self._worst, costs)
        if len(self._costs) < len(self._generation):
            return
        told = [self._costs[number] for number in range(len(self._generation))]
        self._generation.set("F", np.array([self._worst if one is None else one for one in told]))
        self._generation.set("G", np.array([[1.0 if one is None else -1.0] for one in told]))
        self._algorithm.tell(infills=self._generation)
        self._generation = None
        self._costs.clear()

    def identity(self) -> dict[str, Any]:
        """Return the algorithm and its options."""
        return {"algorithm": self.algorithm, "options": self.options}
