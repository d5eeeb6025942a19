"""What an engine owes the searches and analyses that run on it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import pytest

import fulmen
from fulmen.testing.component import ComponentConformance

TASKS = "fulmen.testing.tasks"


class EngineConformance(ComponentConformance):
    """Tests of an engine; derive from it and name the ``component``."""

    kind = "engine"

    @pytest.fixture
    def engine(self) -> Iterator[fulmen.Engine]:
        """An engine that is closed at the end."""
        engine = self.make()
        yield engine
        engine.close()

    def test_each_task_has_one_outcome(self, engine: fulmen.Engine) -> None:
        """More tasks than slots: each key comes back once, with its own result."""
        outcomes = run(engine, [task(f"t{n}", "give_back", n) for n in range(3 * min(engine.slots, 4) + 1)])

        assert {key: outcome.result for key, outcome in outcomes.items()} == {
            f"t{n}": [n] for n in range(len(outcomes))
        }
        assert all(outcome.status == "ok" and outcome.failure is None for outcome in outcomes.values())

    def test_what_crosses_is_plain(self, engine: fulmen.Engine) -> None:
        """Arguments and results arrive as JSON leaves them, whatever the engine."""
        sent = {"a": [1, 0.1, "ü", None, True], "b": {"c": 1e-300}}
        outcomes = run(engine, [task("same", "give_back", sent, math.inf), task("types", "types_of", (1, 2))])

        assert outcomes["same"].result == [sent, math.inf]
        assert outcomes["types"].result == ["list"]
        assert math.isnan(run(engine, [task("nan", "give_back", math.nan)])["nan"].result[0])

    @pytest.mark.parametrize(
        ("function", "arguments", "said"),
        [
            ("fail", ("three",), "ValueError: three"),
            ("leave", (0,), "SystemExit: 0"),
            ("not_plain", (), "gives plain data only"),
            ("number_keys", (), "keys are texts, got 1"),
            ("nowhere", (), "has no 'nowhere'"),
        ],
    )
    def test_a_failing_task_is_an_outcome(
        self, engine: fulmen.Engine, function: str, arguments: tuple[Any, ...], said: str
    ) -> None:
        """It says in one line what was raised, and others go on."""
        outcomes = run(engine, [task("bad", function, *arguments), task("good", "give_back", 1)])

        assert (outcomes["bad"].status, outcomes["bad"].result) == ("failed", None)
        assert said in str(outcomes["bad"].failure)
        assert len(str(outcomes["bad"].failure).splitlines()) == 1
        assert outcomes["good"].result == [1]

    def test_an_error_of_fulmens_keeps_its_kind(self, engine: fulmen.Engine) -> None:
        """A user's mistake that a task finds is refused with status 2, not a failure of the work."""
        outcome = run(engine, [task("bad", "refuse", "lr: expected a number.")])["bad"]

        assert isinstance(outcome.error, fulmen.UserError)
        assert str(outcome.error) == "lr: expected a number."

    def test_a_setup_is_built_once_per_worker(self, engine: fulmen.Engine) -> None:
        """Tasks of one setup share it."""
        tasks = [task(f"t{n}", "add", n, setup=f"{TASKS}:build", setup_arguments=(10,)) for n in range(6)]
        results = [outcome.result for _, outcome in sorted(run(engine, tasks).items())]

        assert [result[0] for result in results] == [10, 11, 12, 13, 14, 15]
        built = {(result[1], result[2]) for result in results}  # one count in each process
        assert len(built) == len({process for _, process in built})

    def test_a_cancelled_task_has_no_outcome(self, engine: fulmen.Engine) -> None:
        """Waiting or running, it is dropped; what stands behind it runs."""
        for number in range(min(engine.slots, 4)):
            engine.submit(task(f"long{number}", "sleep", 30.0))
        engine.submit(task("never", "give_back", 1))
        engine.submit(task("kept", "give_back", 2))
        engine.cancel("never")
        for number in range(min(engine.slots, 4)):
            engine.cancel(f"long{number}")

        assert set(gather(engine, 1)) == {"kept"}
        assert engine.poll(0.2) == []

    def test_nothing_to_do_is_told_at_once(self, engine: fulmen.Engine) -> None:
        """An engine without tasks does not wait."""
        start = time.monotonic()

        assert engine.poll(30.0) == []
        assert time.monotonic() - start < 5

    def test_it_takes_tasks_while_others_run(self, engine: fulmen.Engine) -> None:
        """Submission returns at once, and what comes later is run too."""
        start = time.monotonic()
        engine.submit(task("a", "sleep", 0.2))
        assert time.monotonic() - start < 5 or engine.slots > 1
        engine.submit(task("b", "sleep", 0.1))

        assert set(gather(engine, 2)) == {"a", "b"}


def task(key: str, function: str, *arguments: Any, **more: Any) -> fulmen.Task:
    """Return a task of ``fulmen.testing.tasks``."""
    return fulmen.Task(key, f"{TASKS}:{function}", arguments, **more)


def run(engine: fulmen.Engine, tasks: list[fulmen.Task]) -> dict[str, fulmen.Outcome]:
    """Run tasks and return their outcomes by key."""
    for one in tasks:
        engine.submit(one)
    return gather(engine, len(tasks))


def gather(engine: fulmen.Engine, count: int, seconds: float = 120.0) -> dict[str, fulmen.Outcome]:
    """Poll until so many outcomes have come; fail where one comes twice or the time is up."""
    outcomes: dict[str, fulmen.Outcome] = {}
    end = time.monotonic() + seconds
    while len(outcomes) < count:
        assert time.monotonic() < end, f"{len(outcomes)} of {count} outcomes after {seconds:g} s"
        for outcome in engine.poll(1.0):
            assert outcome.key not in outcomes, f"{outcome.key} came twice"
            outcomes[outcome.key] = outcome
    return outcomes
