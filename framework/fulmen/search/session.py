"""One search from its folder to its report: what the Runner's verb does, without Lightning."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fulmen.config.overlay import laid_over
from fulmen.errors import ConfigError, FulmenError
from fulmen.search import results
from fulmen.search.budget import Budget
from fulmen.search.cards import model_card
from fulmen.search.checkpoints import prune
from fulmen.search.fidelity import Fidelity, Final
from fulmen.search.interruption import deferred_signals
from fulmen.search.loop import SearchLoop, Step, read
from fulmen.search.objectives import front as front_of
from fulmen.search.progress import Display, Standing, duration, standing
from fulmen.search.rungs import LIMITS, limits, with_limits
from fulmen.searching import Candidate, Engine, Objective, Searcher, Task
from fulmen.study import Study, Told

log = logging.getLogger(__name__)

# Evaluation builds on the Runner, which builds on this: it is named, as engines want it anyway.
EVALUATE = "fulmen.evaluation.candidates:evaluate"
TEMPLATE = "fulmen.evaluation.template:make_template"
STOP = "stop"  # a file in the run's folder that asks for an end
MOST_ROWS = 500  # of candidates that TensorBoard compares: each is a file
FINAL_SEED = 1_000_003  # from one final training of a candidate to the next


Row = tuple[int, Mapping[str, Any], Mapping[str, float]]


class Session:
    """A search in its folder.

    Args:
        folder: The run's.
        config: The resolved config that candidates are laid over.
        searcher: Proposes them.
        engine: Evaluates them.
        objectives: What for.
        budget: How long.
        fidelity: What a candidate is trained with.
        final: What the best are trained with at the end; None: they are not.
        seed: Of the run.
        checkpoints_mb: What the candidates' checkpoints may take on the disk, MB.
        on_front: Is given a Standing and a figure each time the front has changed, but not all the time.
        quiet: Show nothing.
        on_end: Is given the id, the overlay and the values of each candidate that has values, the front's
            first, then the newest; 500 at most.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        searcher: Searcher,
        engine: Engine,
        objectives: Sequence[Objective],
        budget: Budget,
        fidelity: Fidelity,
        final: Final | None,
        seed: int,
        checkpoints_mb: float = 1024.0,
        on_front: Callable[[Standing, Any, int], None] = lambda standing, figure, step: None,
        quiet: bool = False,
        on_end: Callable[[list[Row]], None] = lambda rows: None,
    ) -> None:
        self.folder, self.config = folder, dict(config)
        self.searcher, self.engine, self.objectives = searcher, engine, list(objectives)
        self.budget, self.fidelity, self.final, self.seed = budget, fidelity, final, seed
        self.checkpoints_mb, self.on_front = checkpoints_mb, on_front
        self.on_end = on_end
        self.display = Display(quiet)
        self._told: list[Told] = []
        self._front: list[int] = []
        self._judged = _judged_by(objectives) if fidelity.rungs else None

    def run(self, study: Study) -> tuple[Any, bool]:
        """Search, train the best in full, write what comes back.

        Returns:
            The report, and whether the budget is spent: if not, the same command goes on.

        Raises:
            KeyboardInterrupt: after Ctrl-C; what had finished is committed.
            Terminated: likewise, after SIGTERM.
        """
        with deferred_signals() as check:
            return self._run(study, check)

    def _run(self, study: Study, check: Callable[[], None]) -> tuple[Any, bool]:
        self._told = study.told()
        stop = self.folder / STOP
        stop.unlink(missing_ok=True)
        loop = SearchLoop(
            self.searcher,
            study,
            self.engine,
            self.make_task,
            [o.name for o in self.objectives],
            self.budget,
            self.seed,
            watch=lambda step: self._watch(step, loop),
            should_stop=lambda: check() or stop.exists(),  # type: ignore[func-returns-value]
            prepare=self._held_to_rungs,
        )
        try:
            loop.run()
            stopped = stop.exists() and (self.budget.room(loop.asked) or bool(study.pending()))
            self._told = study.told()
            front = front_of(self._told, self.objectives)
            if self.final is not None and not stopped and front:
                self._train_in_full(study, front, self.final, check)
        finally:
            self.display.close()
        finals = study.finals()
        now = standing(self._told, self.objectives, 0, loop.seconds, self.budget)
        results.write_tables(self.folder, self._told, front, self.objectives)
        results.write_networks(self.folder, front, self.config, finals, self._cards(front, finals))
        self.on_end(rows_of(front, self._told))
        report = results.make_report(self._told, front, self.objectives, finals, now)
        if stopped:
            log.info("search: stopped as asked; the same command goes on.")
        return report, not stopped

    def _cards(self, front: Sequence[Told], finals: Mapping[str, Any]) -> list[str]:
        candidates = {one.candidate.id: one.candidate for one in self._told}
        table = results.finals_table(finals, front)
        parts = (candidates, self.objectives, table, self.fidelity.overlay, self.folder.name)
        return [model_card(place, one, *parts) for place, one in enumerate(front, start=1)]

    def make_task(self, candidate: Candidate, key: str) -> Task:
        """Return the task of a candidate.

        Raises:
            ConfigError: its overlay names what is not in the config: so would every other.
        """
        overlay = {**candidate.overlay, **self.fidelity.overlay, **candidate.fidelity}
        laid_over(self.config, overlay)
        folder = self.folder / "candidates" / str(candidate.id)
        return self._task(key, overlay, candidate.seed, folder, self._abort(candidate))

    def _held_to_rungs(self, candidate: Candidate) -> Candidate:
        if self._judged is None:
            return candidate
        evaluations = [one.evaluation for one in self._told]
        rungs, keep = self.fidelity.rungs or [], self.fidelity.keep
        return with_limits(candidate, limits(evaluations, rungs, keep, self._judged.mode))

    def _task(
        self,
        key: str,
        overlay: Mapping[str, Any],
        seed: int,
        folder: Path,
        abort: Mapping[str, Any] | None = None,
    ) -> Task:
        work = {
            "overlay": dict(overlay),
            "seed": seed,
            "objectives": [asdict(objective) for objective in self.objectives],
            "abort": dict(abort or {}),
            "folder": str(folder.absolute()),
            "test": abort is None,  # a final training
        }
        return Task(key, EVALUATE, (work,), TEMPLATE, (self.config,))

    def _abort(self, candidate: Candidate) -> dict[str, Any]:
        f = self.fidelity
        rungs = (
            {}
            if self._judged is None
            else {
                "rungs": f.rungs,
                "rung_metric": self._judged.source["metric"],
                "rung_mode": self._judged.mode,
                "limits": candidate.note.get(LIMITS) or {},
            }
        )
        return {
            **rungs,
            "metric": f.abort_metric,
            "after": f.abort_after,
            "below": f.abort_below,
            "above": f.abort_above,
        }

    def _watch(self, step: Step | None, loop: SearchLoop) -> None:
        if step is not None:
            self._told.append(Told(step.candidate, step.evaluation, 0.0))
            front = front_of(self._told, self.objectives)
            ids = [one.candidate.id for one in front]
            prune(self._told, front, self.checkpoints_mb)
            if ids != self._front:
                self._front = ids
                now = standing(self._told, self.objectives, len(loop.in_flight), loop.seconds, self.budget)
                self.on_front(
                    now, lambda: results.front_figure(self._told, front, self.objectives), len(self._told)
                )
        if self.display.due:
            self.display.show(
                standing(self._told, self.objectives, len(loop.in_flight), loop.seconds, self.budget)
            )

    def _train_in_full(
        self, study: Study, front: Sequence[Told], final: Final, check: Callable[[], None]
    ) -> None:
        """Train the best with several seeds at full budget and test them; what is done already stays done.

        What took too long or lost its worker is tried again, perhaps with other limits.
        """
        chosen = spread(front, final.top_k)
        again = {"timeout", "oom", "crash"}
        done = {key for key, result in study.finals().items() if result["status"] not in again}
        epochs = self.config.get("trainer", {}).get("max_epochs")
        allowance = final.allowance(self.fidelity, epochs)
        tasks: dict[str, tuple[Task, int]] = {}
        for one in chosen:
            for number in range(final.seeds):
                key = f"final-{one.candidate.id}-{number}"
                if key not in done:
                    seed = (one.candidate.seed + FINAL_SEED * (number + 1)) % 2**31
                    overlay = {**one.candidate.overlay, **final.overlay}
                    task = self._task(key, overlay, seed, self.folder / "finals" / key)
                    task = replace(task, allowance=allowance)
                    tasks[key] = (task, one.candidate.id)
        if tasks:
            log.info("search: final trainings: %d, of networks of the front: %d.", len(tasks), len(chosen))
        for task, _ in tasks.values():
            self.engine.submit(task)
        while tasks:
            check()
            for outcome in self.engine.poll(1.0):
                if outcome.key not in tasks:
                    continue
                _, id = tasks.pop(outcome.key)
                evaluation = read(outcome)
                with study.transaction() as transaction:
                    transaction.final(outcome.key, id, evaluation)
                if evaluation.failure:
                    log.warning("%s failed: %s", outcome.key, evaluation.failure)


def _judged_by(objectives: Sequence[Objective]) -> Objective:
    """Return the objective that rungs look at.

    Raises:
        ConfigError: none is a metric.
    """
    for objective in objectives:
        if "metric" in objective.source:
            return objective
    raise ConfigError("fidelity: rungs need an objective that is a logged metric; there is none.")


def rows_of(front: Sequence[Told], told: Sequence[Told]) -> list[Row]:
    """Return what there is to compare candidates by: the front's first, then the newest."""
    good = [one for one in reversed(told) if one.evaluation.status == "ok"]
    chosen = {one.candidate.id: one for one in [*front, *good]}
    return [
        (id, one.candidate.overlay, one.evaluation.values) for id, one in list(chosen.items())[:MOST_ROWS]
    ]


def spread(front: Sequence[Told], count: int) -> list[Told]:
    """Return so many of the front, evenly spread from its first to its last."""
    if count >= len(front):
        return list(front)
    places = [round(n * (len(front) - 1) / max(1, count - 1)) for n in range(count)]
    return [front[place] for place in dict.fromkeys(places)]


def dry_run(session: Session, tries: int = 2) -> list[str]:
    """Evaluate a few candidates that are not kept, and return lines of what the search would cost.

    Raises:
        FulmenError: none of them could be evaluated.
    """
    seconds: list[float] = []
    slots = session.engine.slots
    asked = [session.searcher.ask() for _ in range(tries)]
    candidates = [candidate for candidate in asked if candidate is not None]
    for number, candidate in enumerate(candidates):
        session.engine.submit(session.make_task(candidate, f"dry-{number}"))
    left, failures = len(candidates), []
    while left:
        for outcome in session.engine.poll(1.0):
            left -= 1
            evaluation = read(outcome)
            if evaluation.status == "ok":
                seconds.append(evaluation.seconds)
            else:
                failures.append(f"{evaluation.status}: {evaluation.failure}")
    if not seconds:
        raise FulmenError(
            f"dry run: no candidate could be evaluated ({'; '.join(failures) or 'none asked'})."
        )
    each = sum(seconds) / len(seconds)
    lines = [f"{len(seconds)} candidates took {each:.1f} s each, {slots} at a time."]
    lines += [f"of {len(candidates)} tried, {len(failures)} failed ({failures[0]})."] if failures else []
    if session.budget.evaluations is not None:
        whole = each * session.budget.evaluations / slots
        lines.append(f"{session.budget.evaluations} evaluations would take about {duration(whole)}.")
    if session.budget.minutes is not None:
        count = 60 * session.budget.minutes / each * slots
        lines.append(f"{session.budget.minutes:g} minutes are enough for about {count:.0f} evaluations.")
    if session.final is not None:
        ratio = _epochs(session.config, session.final.epochs) / _epochs(
            session.config, session.fidelity.epochs
        )
        share = session.fidelity.data or 1.0
        trainings = session.final.top_k * session.final.seeds
        whole = each * ratio / share * trainings / slots
        lines.append(f"the {trainings} final trainings would take about {duration(whole)}.")
    return lines


def _epochs(config: Mapping[str, Any], given: int | None) -> float:
    return float(given or config["trainer"].get("max_epochs") or 1000)
