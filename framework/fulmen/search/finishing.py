"""Runs the final trainings on an engine, and keeps each result as it comes."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence

from fulmen.search.finals import AGAIN, FINALS, FinalTraining
from fulmen.search.loop import checked, in_order, read
from fulmen.searching import Engine, Task
from fulmen.study import Study

log = logging.getLogger(__name__)


def train_in_full(
    plan: Sequence[FinalTraining],
    study: Study,
    engine: Engine,
    make_task: Callable[[FinalTraining], Task],
    objectives: Sequence[str],
    should_stop: Callable[[], bool],
    show: Callable[[int, int], None],
) -> bool:
    """Do the trainings of a plan that the study has no result of.

    What took too long or lost its worker is tried again, perhaps with other limits.

    Args:
        plan: All that there are to be.
        study: Where results are, and go.
        engine: Runs them.
        make_task: Returns the task of one.
        objectives: Names that each must have a finite value of; what was tested must have one besides.
        should_stop: Whether somebody has asked for an end: then what runs is the last.
        show: Takes how many are done, of how many.

    Returns:
        Whether all are done.

    Raises:
        UserError: the input is wrong.
    """
    done = {key for key, result in study.finals().items() if result["status"] not in AGAIN}
    waiting = deque(training for training in plan if training.key not in done)
    if not waiting:
        return True
    with study.transaction() as transaction:
        transaction.set(FINALS, [training.key for training in plan])
    in_flight: dict[str, FinalTraining] = {}
    stopped = False
    show(len(plan) - len(waiting), len(plan))
    while True:
        stopped = stopped or should_stop()
        while waiting and not stopped and len(in_flight) < engine.slots:
            training = waiting.popleft()
            in_flight[training.key] = training
            engine.submit(make_task(training))
        if not in_flight:
            return not waiting
        for outcome in in_order(engine.poll(1.0)):
            if outcome.key not in in_flight:
                continue
            if outcome.status == "crash":
                should_stop()  # as in the search itself: a signal may have come to all processes
            training = in_flight.pop(outcome.key)
            evaluation = read(outcome)
            tested = [name for name in evaluation.values if name.startswith("test_")]
            evaluation = checked(evaluation, [*objectives, *tested])
            with study.transaction() as transaction:
                transaction.final(outcome.key, training.candidate.id, evaluation)
            if evaluation.failure:
                log.warning("%s failed: %s", outcome.key, evaluation.failure)
            show(len(plan) - len(waiting) - len(in_flight), len(plan))
