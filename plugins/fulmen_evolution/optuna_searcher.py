"""The searcher `optuna`: Optuna's samplers, one trial a candidate, in memory."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Sequence
from typing import Any, Literal

from fulmen.errors import ConfigError
from fulmen_evolution.domains import Choice, Range
from fulmen_evolution.peers import Peer, find_class
from fulmen_evolution.space import Genotype


class OptunaSearcher(Peer):
    """A sampler of Optuna's as a searcher.

    Choices are categories, ranges are floats or integers, in their logarithm where the range says so. A
    failure is a failed trial. The study of Optuna's is in memory: fulmen's own holds what is kept.

    Args:
        space: As of `Evolution`.
        objectives: As of `Evolution`, without bounds. In a search, the config's ``objectives``.
        seed: Of the sampler. None: in a search ``seed_everything``, elsewhere 0.
        sampler: The name of a class in ``optuna.samplers``, or the dotted path of any sampler.
        options: Of the sampler, beside its seed.

    Raises:
        UserError: the space, the objectives, the sampler or its options are not what they should be, or
            Optuna is not installed.
    """

    def __init__(
        self,
        space: dict[str, Any],
        objectives: dict[str, Literal["max", "min"]] | list[Any] | None = None,
        seed: int | None = None,
        sampler: str = "TPESampler",
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__("optuna", space, objectives, seed)
        self.sampler, self.options = sampler, dict(options or {})
        known = find_class("optuna.samplers.__all__", "optuna", "optuna", ())
        sampler_class = find_class(sampler, "optuna.samplers", "optuna", [n for n in known if n[0].isupper()])
        seeded = {"seed": self.seed} if "seed" in inspect.signature(sampler_class).parameters else {}
        try:
            made = sampler_class(**{**seeded, **self.options})
        except (TypeError, ValueError) as error:
            raise ConfigError(f"searcher: sampler {sampler}: {error}; correct its options.") from error
        import optuna

        optuna.logging.set_verbosity(logging.ERROR)
        self._study = optuna.create_study(directions=["minimize"] * self.goals.columns, sampler=made)
        self._trials: dict[int, Any] = {}
        self._finished = False

    def propose(self, id: int) -> Genotype | None:
        """Return what the sampler suggests for a new trial; None once it has tried all that there is.

        Raises:
            ConfigError: the sampler does not know such a space, or so many objectives.
        """
        if self._finished:
            return None
        try:
            trial = self._trials[id] = self._study.ask()
            pairs = zip(self.space.keys, self.domains, strict=True)
            return tuple(_suggest(trial, key, domain) for key, domain in pairs)
        except (ValueError, ImportError) as error:
            said = " ".join(str(error).split())
            raise ConfigError(f"searcher: sampler {self.sampler}: {said}; choose another.") from error

    def learn(self, id: int, costs: Sequence[float] | None) -> None:
        """Finish a trial."""
        import optuna

        trial = self._trials.pop(id)
        failed = {"state": optuna.trial.TrialState.FAIL}
        try:
            self._study.tell(trial, **(failed if costs is None else {"values": list(costs)}))
        except RuntimeError:  # so ends a sampler that has tried all there is a study that nobody optimises
            if not self._study.trials[trial.number].state.is_finished():
                raise
            self._finished = True

    def identity(self) -> dict[str, Any]:
        """Return the sampler and its options."""
        return {"sampler": self.sampler, "options": self.options}


def _suggest(trial: Any, key: str, domain: Choice | Range) -> Any:
    if isinstance(domain, Choice):
        # By place: a value may be a list, which is no category to Optuna.
        return domain.values[trial.suggest_categorical(key, list(range(len(domain.values))))]
    if domain.integer:
        return trial.suggest_int(key, int(domain.low), int(domain.high), log=domain.log)
    return trial.suggest_float(key, float(domain.low), float(domain.high), log=domain.log)
