"""The contracts of architecture and hyperparameter search: what a searcher and an engine must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from fulmen.errors import UserError

JSON = None | bool | int | float | str | list[Any] | dict[str, Any]
EvaluationStatus = Literal["ok", "invalid", "nan", "stuck", "timeout", "oom", "crash", "cancelled"]

_STATUSES = get_args(EvaluationStatus)


@dataclass(frozen=True)
class Candidate:
    """One thing to evaluate.

    Attributes:
        id: Unique in its study, given by the core in the order of asking.
        overlay: Dotted keys as ``--print_config`` shows them (``model.init_args.lr``) and plain
            values, applied after all files and options; lists are replaced whole.
        parents: The ids that it came from.
        fidelity: The budget it is evaluated at, as an overlay.
        seed: What ``seed_everything`` is given.
        note: Whatever the searcher wants to keep beside it; plain data.
    """

    id: int
    overlay: Mapping[str, JSON]
    parents: tuple[int, ...] = ()
    fidelity: Mapping[str, JSON] = field(default_factory=dict)
    seed: int = 0
    note: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """What evaluating a candidate gave.

    Attributes:
        values: Objective name to value.
        status: ``ok``, or how it failed. With a ``failure`` and no status of its own: ``crash``.
        failure: Why it failed, in one line, or None.
        seconds: How long it took.
        artifacts: Name to path of what it left.

    Raises:
        UserError: there is no such status.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    status: EvaluationStatus = "ok"
    failure: str | None = None
    seconds: float = 0.0
    artifacts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.failure is not None and self.status == "ok":
            object.__setattr__(self, "status", "crash")
        if self.status not in _STATUSES:
            raise UserError(f"evaluation: status is {self.status!r}; expected one of {', '.join(_STATUSES)}.")


@dataclass(frozen=True)
class Objective:
    """One quantity that a search optimises.

    Attributes:
        name: Its name in tables and in ``Evaluation.values``.
        mode: ``max`` or ``min``.
        source: Where the value comes from: ``{"metric": "val_f1"}``, ``{"cost": "latency"}`` or
            ``{"analyzer": {"class_path": ..., "init_args": ...}, "scalar": "key"}``.
        bound: A candidate beyond it is infeasible; None for no bound.
    """

    name: str
    mode: Literal["max", "min"]
    source: Mapping[str, JSON]
    bound: float | None = None


class Searcher(ABC):
    """Proposes candidates. The core owns the loop, the study, budgets and resuming.

    In a search, an option ``objectives`` of a searcher that the config leaves at None becomes the config's, a
    list of mappings with name, mode and bound, and such an option ``seed`` becomes the run's.
    """

    @abstractmethod
    def ask(self) -> Candidate | None:
        """Return the next candidate, or None for nothing now; with none in flight the search ends."""

    @abstractmethod
    def tell(self, candidate: Candidate, evaluation: Evaluation) -> None:
        """Take in a result: once per id, in any order, failures too."""

    @abstractmethod
    def state_dict(self) -> dict[str, JSON]:
        """Return the searcher's whole state as plain data."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, JSON]) -> None:
        """Take back what ``state_dict`` returned."""

    def check(self, config: Mapping[str, Any]) -> None:  # noqa: B027  (most have nothing to say)
        """Refuse, by a UserError, a config that candidates do not fit; called before any is asked for.

        Args:
            config: The resolved config, its keys ``model``, ``data``, ``trainer``, ``optimizer``,
                ``lr_scheduler``.
        """


@dataclass(frozen=True)
class Task:
    """One independent piece of work, as plain data.

    Attributes:
        key: Names the task in its run: the same key is the same work.
        function: Import string, ``"package.module:function"``.
        arguments: Positional arguments; plain data.
        setup: Import string of a function that a worker calls once, whose result every task of
            that worker gets as its first argument; or None.
        setup_arguments: The arguments of ``setup``.
        inherits: Whether it may lean on what the submitting process holds when its worker begins (a
            model in memory). An engine on the same machine then forks the worker from that process;
            others begin an empty one.
        allowance: How many times an engine's limit of time it may take: a training of thirty epochs takes
            longer than one of six.
    """

    key: str
    function: str
    arguments: tuple[Any, ...] = ()
    setup: str | None = None
    setup_arguments: tuple[Any, ...] = ()
    inherits: bool = False
    allowance: float = 1.0


OutcomeStatus = Literal["ok", "failed", "timeout", "oom", "crash"]


@dataclass(frozen=True)
class Outcome:
    """What became of a task: its plain result, or one line of why it failed.

    Attributes:
        key: The task's.
        result: What its function returned.
        failure: Why there is no result, in one line, or None.
        status: ``ok``; ``failed``: its function raised; ``timeout``, ``oom``: it was stopped at a limit
            of the engine's; ``crash``: its worker died.
        seconds: How long it ran, the last time it was tried.
        error: The exception itself where this process has it: raised here, or one of fulmen's.
        traceback: Where it was raised, for people, or None.
    """

    key: str
    result: Any = None
    failure: str | None = None
    status: OutcomeStatus = "ok"
    seconds: float = 0.0
    error: BaseException | None = None
    traceback: str | None = None


class Engine(ABC):
    """Runs tasks for searches and for ``AnalysisContext.map``.

    Arguments and results cross as JSON, on every engine: a tuple arrives as a list. A task that fails,
    for whatever reason, is an Outcome with a ``failure``; ``poll`` raises nothing for it.

    Attributes:
        output: The folder for what tasks print, where they run elsewhere; the run sets it.
    """

    output: Path | None = None

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many tasks may usefully be in flight."""

    @abstractmethod
    def submit(self, task: Task) -> None:
        """Accept a task; returns at once."""

    @abstractmethod
    def poll(self, timeout: float) -> list[Outcome]:
        """Return what has finished, waiting at most ``timeout`` seconds for the first."""

    @abstractmethod
    def cancel(self, key: str) -> None:
        """Drop a task that has not finished."""

    @abstractmethod
    def close(self) -> None:
        """Stop the workers and free what they hold."""
