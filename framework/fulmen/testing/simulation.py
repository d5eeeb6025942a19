"""Searches under a false clock that are killed at every turn, and what must hold afterwards.

``python -m fulmen.testing.simulation --seeds 1000 --events 500`` runs many; a failing one says its
``--first`` seed, which alone repeats it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import math
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fulmen.search.budget import Budget
from fulmen.search.loop import SearchLoop
from fulmen.search.objectives import front
from fulmen.searching import Candidate, Objective, Outcome, Task
from fulmen.study import Study, schema
from fulmen.testing.climber import Climber, bowl
from fulmen.testing.simulated import MANY, Misfortunes, SimulatedEngine

OBJECTIVES = [
    Objective("loss", "min", {"metric": "loss"}),
    Objective("cost", "min", {"metric": "cost"}, bound=12.0),
]
COMMITTED = "SELECT 1 FROM candidates WHERE id=? AND id NOT IN (SELECT id FROM results)"


class Killed(BaseException):
    """Stands for a kill: no ``except Exception`` catches it."""


class Broken(AssertionError):  # noqa: N818 - a promise, not an error of the simulation's
    """A promise of the loop's is broken."""


class History:
    """What happened outside the study, over all the lives of a search."""

    def __init__(self) -> None:
        self.finished: dict[str, list[Any]] = {}
        self.started: dict[int, Candidate] = {}

    def start(self, candidate: Candidate) -> None:
        """Note that a candidate is dispatched: each time as it was."""
        before = self.started.setdefault(candidate.id, candidate)
        _require(before == candidate, f"candidate {candidate.id} was dispatched as another than before")

    def finish(self, outcomes: list[Outcome]) -> None:
        """Note what an engine handed over."""
        for outcome in outcomes:
            self.finished.setdefault(outcome.key, []).append(outcome)


class MortalStudy(Study):
    """A study whose process may be killed before or after a commit."""

    fate: Iterator[float]
    risk: float

    def _commit(self, transaction: Any) -> None:
        if next(self.fate) < self.risk:
            raise Killed
        super()._commit(transaction)
        if next(self.fate) < self.risk:
            raise Killed


class MortalEngine(SimulatedEngine):
    """An engine whose run may be killed while it waits; it notes what it hands over."""

    fate: Iterator[float]
    risk: float
    history: History

    def poll(self, timeout: float) -> list[Outcome]:
        """Die, or do as the simulated engine does."""
        if next(self.fate) < self.risk:
            raise Killed
        outcomes = super().poll(timeout)
        self.history.finish(outcomes)
        return outcomes


def simulate(
    seed: int,
    events: int,
    loop_class: type[SearchLoop] = SearchLoop,
    misfortunes: Misfortunes = MANY,
    risk: float = 0.01,
) -> Study:
    """Run one search of so many evaluations, killed again and again, and check all that must hold.

    Args:
        seed: Decides everything that is drawn.
        events: How many evaluations the search has.
        loop_class: The loop that is tried.
        misfortunes: What goes wrong beside kills.
        risk: The chance of a kill at each commit and each poll.

    Returns:
        The finished study, in memory.

    Raises:
        Broken: a promise does not hold; says which.
    """
    random = np.random.default_rng(seed)
    fate = iter(random.random, None)  # never None: without end
    workers = int(random.integers(1, 20))
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.create(connection)
    history = History()
    clock = itertools.count()
    for life in range(100 + 20 * events):
        study = MortalStudy(connection, Path("memory"), now=lambda: float(next(clock)))
        study.fate, study.risk = fate, risk
        engine = MortalEngine(workers, _compute, int(random.integers(2**31)), misfortunes=misfortunes)
        engine.fate, engine.risk, engine.history = fate, risk, history
        searcher = Climber(seed)

        def make_task(candidate: Candidate, key: str, study: Study = study) -> Task:
            _require(
                study.connection.execute(COMMITTED, (candidate.id,)).fetchone() is not None,
                f"candidate {candidate.id} was dispatched before it was committed",
            )
            history.start(candidate)
            return Task(key, "simulated:bowl", (dict(candidate.overlay),))

        names = [objective.name for objective in OBJECTIVES]
        loop = loop_class(searcher, study, engine, make_task, names, Budget(events), seed, clock=engine.clock)
        try:
            loop.run()
        except Killed:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            continue
        except sqlite3.IntegrityError as error:
            raise Broken(f"told or asked twice ({error}), in life {life}") from error
        check(study, searcher, history, events)
        return study
    raise Broken(f"no end after {life} lives")


def check(study: Study, searcher: Climber, history: History, events: int) -> None:
    """Raise `Broken` unless a finished study is what it must be."""
    told = study.told()
    ids = [one.candidate.id for one in told]
    _require(sorted(ids) == list(range(events)), f"{events} evaluations, told were {len(ids)}")
    _require(not study.pending(), "something that was asked for was never told")
    _require((searcher.asked, searcher.told) == (events, events), f"the searcher was told {searcher.told}")
    _require(study.state() == searcher.state_dict(), "the study has another state than the searcher")
    for one in told:
        came = history.finished.get(f"candidate-{one.candidate.id}", [])
        _require(bool(came), f"candidate {one.candidate.id} was told and never finished")
        if one.evaluation.status == "ok":
            expected = bowl(*_point(one.candidate.overlay))["values"]
            _require(dict(one.evaluation.values) == expected, f"candidate {one.candidate.id}: wrong result")
        else:
            _require(bool(one.evaluation.failure), f"candidate {one.candidate.id} failed and nobody says why")
    best = min((o.evaluation.values["loss"] for o in told if o.evaluation.status == "ok"), default=None)
    _require(
        (None if searcher.best is None else searcher.best[0]) == best,
        "the searcher's best is not the best told",
    )
    _require(_ids(front(told, OBJECTIVES)) == _front_by_hand(study), "the front is not that of the rows")


def _front_by_hand(study: Study) -> set[int]:
    """The same from the rows themselves, pair by pair."""
    rows = study.connection.execute("SELECT id, \"values\" FROM results WHERE status='ok'").fetchall()
    points = {id: (v["loss"], v["cost"]) for id, text in rows if (v := json.loads(text))["cost"] <= 12.0}
    return {
        id
        for id, p in points.items()
        if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points.values())
    }


def _ids(told: Any) -> set[int]:
    return {one.candidate.id for one in told}


def _compute(task: Task) -> dict[str, Any]:
    values = bowl(*_point(task.arguments[0]))
    if abs(task.arguments[0]["x"]) > 5:  # a model that diverged
        return {"values": {**values["values"], "loss": math.nan}}
    return values


def _point(overlay: Any) -> tuple[float, float]:
    return overlay["x"], overlay["y"]


def _require(holds: bool, promise: str) -> None:
    if not holds:
        raise Broken(promise)


def main() -> int:
    """Run many searches; return 1 at the first that breaks a promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--events", type=int, default=500)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    start = time.monotonic()
    for seed in range(options.first, options.first + options.seeds):
        try:
            simulate(seed, options.events)
        except Broken as broken:
            sys.stdout.write(f"--first {seed} --seeds 1 --events {options.events}: {broken}\n")
            return 1
    seconds = time.monotonic() - start
    sys.stdout.write(f"{options.seeds} searches of {options.events} evaluations hold ({seconds:.0f} s).\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
