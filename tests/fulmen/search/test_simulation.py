"""Searches under a false clock, killed at every turn: the loop's promises hold, and the checker can tell."""

from __future__ import annotations

import time

import pytest

from fulmen.search.budget import Budget
from fulmen.search.loop import SearchLoop, checked, read
from fulmen.study import Study
from fulmen.testing.climber import Climber, bowl
from fulmen.testing.simulated import SimulatedEngine
from fulmen.testing.simulation import Broken, simulate
from fulmen.searching import Task


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_nothing_is_lost_or_told_twice(first):
    for seed in range(first, first + 10):
        simulate(seed, events=60)


def test_a_long_one():
    simulate(seed=1, events=1_500, risk=0.003)


class Forgets(SearchLoop):
    """What was asked for and not told is not run again."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.waiting.clear()


class CommitsLate(SearchLoop):
    """The result is committed before the searcher is told, its state after."""

    def _take(self, outcome, durable, asking):
        candidate = self.in_flight.pop(outcome.key)
        evaluation = checked(read(outcome), self.objectives)
        with self.study.transaction(durable) as transaction:
            transaction.tell(candidate.id, evaluation)
        with self.study.transaction(durable) as transaction:
            self.searcher.tell(candidate, evaluation)
            self._save_state(transaction)


class TellsStrays(SearchLoop):
    """An answer counts even if it came before."""

    def run(self):
        known = dict(self.in_flight)
        submit = self.engine.submit

        def remember(task):
            known.update(self.in_flight)
            submit(task)

        self.engine.submit = remember
        poll = self.engine.poll

        def poll_all(timeout):
            outcomes = poll(timeout)
            for outcome in outcomes:
                if outcome.key not in self.in_flight and outcome.key in known:
                    self.in_flight[outcome.key] = known[outcome.key]
            return outcomes

        self.engine.poll = poll_all
        super().run()


class DispatchesFirst(SearchLoop):
    """The next candidate is dispatched before it is committed."""

    def _ask(self, transaction):
        candidate = super()._ask(transaction)
        if candidate is not None:
            self._dispatch(candidate)
        return candidate


@pytest.mark.parametrize("planted", [Forgets, CommitsLate, TellsStrays, DispatchesFirst])
def test_a_planted_bug_is_found_within_fifty_seeds(planted):
    for seed in range(50):
        try:
            simulate(seed, events=40, loop_class=planted)
        except Broken:
            return
    pytest.fail("fifty searches did not show it")


def search(tmp_path, engine, evaluations, **more):
    study = Study.open(tmp_path, "test")
    loop = SearchLoop(
        Climber(),
        study,
        engine,
        lambda candidate, key: Task(key, "simulated:bowl", (dict(candidate.overlay),)),
        ["loss", "cost"],
        Budget(evaluations),
        clock=engine.clock,
        **more,
    )
    loop.run()
    return study


def compute(task):
    return bowl(task.arguments[0]["x"], task.arguments[0]["y"])


def test_ten_thousand_workers_are_busy_and_each_result_is_committed(tmp_path):
    workers, evaluations = 10_000, 20_000
    engine = SimulatedEngine(workers, compute, sigma=0.3)
    reached = []
    start = time.perf_counter()

    def watch(step):
        if step is not None and not reached and step.candidate.id >= evaluations - workers:
            reached.append(engine.now)

    study = search(tmp_path, engine, evaluations, watch=watch)
    seconds = time.perf_counter() - start

    assert study.counts() == {"asked": evaluations, "ok": evaluations}
    # Until the last of them was asked for, no worker was idle for longer than the clock can tell.
    assert engine.busy / (workers * engine.now) > 0.5  # the tail, in which nothing is left to ask for
    assert evaluations / seconds > 500


def test_a_budget_of_minutes_ends_it_and_counts_all_runs(tmp_path):
    first = SimulatedEngine(4, compute)
    study = search(tmp_path, first, None) if False else None  # noqa: SIM210
    assert study is None
    engine = SimulatedEngine(4, compute)
    study = Study.open(tmp_path, "test")
    for minutes in (30, 60):
        loop = SearchLoop(
            Climber(),
            study,
            engine,
            lambda candidate, key: Task(key, "simulated:bowl", (dict(candidate.overlay),)),
            ["loss", "cost"],
            Budget(None, minutes),
            clock=engine.clock,
        )
        loop.run()
        assert loop.seconds == pytest.approx(60 * minutes, rel=0.01)
    assert study.get("seconds") <= 3600
