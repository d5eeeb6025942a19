"""The search loop: ask, evaluate, commit, tell; nothing that has finished is lost or told twice.

The loop is asynchronous and steady-state: there is no generation to wait for. Per result there is one
transaction, which holds the result, the searcher's state after it was told, and the next candidate; so
that a search that is killed anywhere goes on as if it had not been.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from fulmen.errors import ArtifactError, ConfigError, FulmenError, UserError
from fulmen.search.budget import Budget
from fulmen.searching import Candidate, Engine, Evaluation, EvaluationStatus, Outcome, Searcher, Task
from fulmen.seeds import keyed_generator
from fulmen.study import Study, Transaction
from fulmen.study.rows import from_plain

log = logging.getLogger(__name__)

IN_VAIN = 20  # candidates in a row that could not be built or trained; none could: the search ends
ENDING = (UserError, ArtifactError)  # what a task may raise that is not its candidate's failure
POLL = 0.5  # seconds between two looks at the clock and at a request to stop

_STATUSES: Mapping[str, EvaluationStatus] = {"timeout": "timeout", "oom": "oom"}


@dataclass(frozen=True)
class Step:
    """What has just happened, for whoever watches: a result, and what is in flight now."""

    candidate: Candidate
    evaluation: Evaluation
    running: int


class SearchLoop:
    """One search.

    Args:
        searcher: Proposes candidates.
        study: Keeps them and their results.
        engine: Evaluates them.
        make_task: Gives the task of a candidate; its key is the loop's own.
        objectives: The names of what an evaluation must give.
        budget: How long it goes on.
        seed: Of the candidates whose searcher gave them none.
        clock: Seconds that only grow.
        watch: Is called after each result, and with None about twice a second.
        should_stop: Whether somebody has asked for an end.
        prepare: Adds to a candidate what it is evaluated by, before it is committed.
    """

    def __init__(
        self,
        searcher: Searcher,
        study: Study,
        engine: Engine,
        make_task: Callable[[Candidate, str], Task],
        objectives: Sequence[str],
        budget: Budget,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
        watch: Callable[[Step | None], None] = lambda step: None,
        should_stop: Callable[[], bool] = lambda: False,
        prepare: Callable[[Candidate], Candidate] = lambda candidate: candidate,
    ) -> None:
        self.searcher, self.study, self.engine = searcher, study, engine
        self.make_task, self.objectives, self.budget, self.seed = make_task, tuple(objectives), budget, seed
        self.clock, self.watch, self.should_stop = clock, watch, should_stop
        self.prepare = prepare
        self.in_flight: dict[str, Candidate] = {}
        if (state := study.state()) is not None:
            searcher.load_state_dict(state)
        self.waiting = deque(study.pending())  # asked for and not told: the first to run, as they were
        counts = study.counts()
        self.asked = counts["asked"]
        self._proven = counts.get("ok", 0) > 0  # some candidate could do with the config
        self._broken = 0  # of this run: whoever has mended what it was need not begin anew
        self._spent_before: float = study.get("seconds") or 0.0
        self._start = clock()
        self._exhausted = False

    @property
    def seconds(self) -> float:
        """How long the search has worked, over all its runs."""
        return self._spent_before + self.clock() - self._start

    def run(self) -> None:
        """Search until the budget is spent, the searcher has nothing more, or somebody asks for an end."""
        try:
            while True:
                stopping = self.should_stop()
                if not stopping:
                    self._fill()
                if not self.in_flight:
                    return
                left = self.budget.seconds_left(self.seconds)
                if left <= 0:
                    return
                outcomes = self.engine.poll(min(POLL, left))
                # An engine may answer twice, or what was cancelled: only what is in flight counts, once.
                mine = in_order(list({o.key: o for o in outcomes if o.key in self.in_flight}.values()))
                for number, outcome in enumerate(mine, start=1):
                    if outcome.status == "crash":
                        self.should_stop()  # a signal to all processes, which this one has yet to hear of
                    # One sync for all that came together; until then none of them is spoken of.
                    self._take(outcome, durable=number == len(mine), asking=not stopping)
                self.watch(None)
        finally:
            for key in list(self.in_flight):  # a resumed search begins with them
                self.engine.cancel(key)
            self.in_flight.clear()

    def _fill(self) -> None:
        """Dispatch what waits and ask for more while there are slots; first it is committed."""
        self._exhausted = False
        free = self.engine.slots - len(self.in_flight)
        chosen = [self.waiting.popleft() for _ in range(min(free, len(self.waiting)))]
        if len(chosen) < free and self._may_ask():
            with self.study.transaction(durable=False) as transaction:
                while len(chosen) < free and (candidate := self._ask(transaction)) is not None:
                    chosen.append(candidate)
                self._save_state(transaction)
        for candidate in chosen:
            self._dispatch(candidate)

    def _take(self, outcome: Outcome, durable: bool, asking: bool) -> None:
        """Commit one result and tell it; with it the next candidate, which saves a commit of its own."""
        evaluation = checked(self._evaluation(outcome), self.objectives)
        self._record(self.in_flight.pop(outcome.key), evaluation, durable, asking)

    def _evaluation(self, outcome: Outcome) -> Evaluation:
        """Return the evaluation of an outcome.

        Raises:
            UserError: the input is wrong: no other candidate would fare better, as far as is known.
        """
        try:
            return read(outcome)
        except ConfigError as error:
            if not self._proven:
                raise
            return Evaluation(status="invalid", failure=str(error), seconds=outcome.seconds)

    def _record(self, candidate: Candidate, evaluation: Evaluation, durable: bool, asking: bool) -> None:
        following = None
        with self.study.transaction(durable) as transaction:
            transaction.tell(candidate.id, evaluation)
            self.searcher.tell(candidate, evaluation)
            if asking and not self.waiting and self._may_ask():
                following = self._ask(transaction)
            self._save_state(transaction)
        self._proven = self._proven or evaluation.status == "ok"
        self._broken = self._broken + 1 if evaluation.status in ("crash", "invalid") else 0
        if following is not None:
            self._dispatch(following)
        self.watch(Step(candidate, evaluation, len(self.in_flight)))
        if self._broken >= IN_VAIN and not self._proven:
            raise FulmenError(
                f"search: {self._broken} candidates in a row failed, and none had values. The last one: "
                f"{evaluation.failure}. Mend what it is; the same command goes on."
            )

    def _may_ask(self) -> bool:
        in_time = self.budget.seconds_left(self.seconds) > 0
        return in_time and not self._exhausted and self.budget.room(self.asked)

    def _ask(self, transaction: Transaction) -> Candidate | None:
        if not self.budget.room(self.asked):
            return None
        proposed = self.searcher.ask()
        if proposed is None:
            self._exhausted = True
            return None
        seed = proposed.seed or int(keyed_generator(self.seed, "candidate", self.asked).integers(1, 2**31))
        candidate = self.prepare(replace(proposed, id=self.asked, seed=seed))
        self.asked += 1
        transaction.ask(candidate)
        return candidate

    def _save_state(self, transaction: Transaction) -> None:
        transaction.set_state(self.searcher.state_dict())
        transaction.set("seconds", self.seconds)

    def _dispatch(self, candidate: Candidate) -> None:
        key = f"candidate-{candidate.id}"
        try:
            task = self.make_task(candidate, key)
        except ConfigError as error:
            if not self._proven:
                raise
            self._record(candidate, Evaluation(status="invalid", failure=str(error)), True, asking=False)
            return
        self.in_flight[key] = candidate
        self.engine.submit(task)


def in_order(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return outcomes with those last that may end a search: what came beside them is not lost."""
    return sorted(outcomes, key=lambda o: (isinstance(o.error, ENDING), o.status == "crash"))


def read(outcome: Outcome) -> Evaluation:
    """Return the evaluation that an outcome holds, or the failure that it is.

    Raises:
        UserError: the evaluation found the user's input wrong: no other candidate would fare better.
        ArtifactError: the disk was full: nor would this one's be its own failure.
    """
    if isinstance(outcome.error, ENDING):
        raise outcome.error
    if outcome.failure is not None:
        status = _STATUSES.get(outcome.status, "crash")
        return Evaluation(status=status, failure=outcome.failure, seconds=outcome.seconds)
    try:
        return from_plain(outcome.result)
    except (TypeError, UserError):
        return Evaluation(failure=f"the task gave no evaluation: {outcome.result!r:.80}")


def checked(evaluation: Evaluation, objectives: Sequence[str]) -> Evaluation:
    """Return an evaluation that is ok only if it has a finite number for each of these names."""
    if evaluation.status != "ok":
        return evaluation
    for name in objectives:
        value = evaluation.values.get(name)
        if value is None:
            return replace(evaluation, status="invalid", failure=f"{name}: there is no value")
        if not math.isfinite(value):
            return replace(evaluation, status="nan", failure=f"{name} is {value}")
    return evaluation
