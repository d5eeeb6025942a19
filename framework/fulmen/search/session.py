"""One search from its folder to its report: what the Runner's verb does, without Lightning."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

from fulmen.config.overlay import laid_over
from fulmen.errors import ConfigError
from fulmen.search import results
from fulmen.search.budget import Budget
from fulmen.search.cards import model_card
from fulmen.search.checkpoints import checkpoint_of, prune
from fulmen.search.fidelity import Fidelity, Final
from fulmen.search.finals import FinalTraining, belonging, handed_over, planned
from fulmen.search.finishing import train_in_full
from fulmen.search.interruption import deferred_signals
from fulmen.search.loop import SearchLoop, Step
from fulmen.search.objectives import front as front_of
from fulmen.search.progress import Display, Standing, counted, standing
from fulmen.search.rungs import LIMITS, limits, with_limits
from fulmen.searching import Candidate, Engine, Objective, Searcher, Task
from fulmen.study import Study, Told

log = logging.getLogger(__name__)

# Evaluation builds on the Runner, which builds on this: it is named, as engines want it anyway.
EVALUATE = "fulmen.evaluation.candidates:evaluate"
TEMPLATE = "fulmen.evaluation.template:make_template"
STOP = "stop"  # a file in the run's folder that asks for an end
MOST_ROWS = 500  # of candidates that TensorBoard compares: each is a file


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
        on_result: Is called when a result has come: the input was not refused.
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
        on_result: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder, self.config = folder, dict(config)
        self.searcher, self.engine, self.objectives = searcher, engine, list(objectives)
        self.budget, self.fidelity, self.final, self.seed = budget, fidelity, final, seed
        self.checkpoints_mb, self.on_front = checkpoints_mb, on_front
        self.on_end, self.on_result = on_end, on_result
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
        before = len(self._told)
        stop = self.folder / STOP
        stop.unlink(missing_ok=True)

        def should_stop() -> bool:
            check()
            return stop.exists()

        names = [objective.name for objective in self.objectives]
        loop = SearchLoop(
            self.searcher,
            study,
            self.engine,
            self.make_task,
            names,
            self.budget,
            self.seed,
            watch=lambda step: self._watch(step, loop),
            should_stop=should_stop,
            prepare=self._held_to_rungs,
        )
        try:
            loop.run()
            worked = loop.seconds
            with study.transaction() as transaction:
                transaction.set("seconds", worked)
            stopped = stop.exists() and (self.budget.room(loop.asked) or bool(study.pending()))
            self._told = study.told()
            if before and before == len(self._told) and not stopped:
                spent = not self.budget.room(loop.asked) or self.budget.seconds_left(worked) <= 0
                why = (
                    "the budget was spent already (%s); a larger one extends it."
                    if spent
                    else "%s done, and the searcher has nothing more to ask for."
                )
                log.warning(f"search: {why}", counted(before, "evaluation"))
            front = front_of(self._told, self.objectives)
            results.write_tables(self.folder, self._told, front, self.objectives)  # whatever finals come to
            if self.final is not None and not stopped and front:
                plan = planned(front, self.final)
                show = self.display.show_finals
                stopped = not train_in_full(
                    plan, study, self.engine, self._final_task, names, should_stop, show
                )
        finally:
            self.display.close()
        finals = belonging(study.finals(), self.final)
        now = standing(self._told, self.objectives, 0, worked, self.budget)
        results.write_networks(self.folder, self._networks(front, finals))
        self.on_end(rows_of(front, self._told))
        report = results.make_report(self._told, front, self.objectives, finals, now)
        if stopped:
            log.info("search: stopped as asked; the same command goes on.")
        return report, not stopped

    def _networks(self, front: Sequence[Told], finals: Mapping[str, Any]) -> list[results.Network]:
        candidates = {one.candidate.id: one.candidate for one in self._told}
        return [self._network(place, told, finals, candidates) for place, told in enumerate(front, start=1)]

    def _network(
        self, place: int, told: Told, finals: Mapping[str, Any], candidates: Mapping[int, Candidate]
    ) -> results.Network:
        """Return what is handed over of a network of the front: what makes its checkpoint again."""
        candidate = told.candidate
        training = handed_over(finals, candidate)
        overlay, seed, checkpoint = candidate.overlay, candidate.seed, checkpoint_of(told)
        if training is not None:
            overlay, seed = training.overlay, training.seed
            checkpoint = Path(finals[training.key]["artifacts"]["checkpoint"])
        card = model_card(
            place, told, candidates, self.objectives, finals, self.fidelity.overlay, self.folder.name
        )
        head = f"# Network {place} of the front: candidate {candidate.id}.\n"
        config = {"seed_everything": seed, **laid_over(self.config, overlay)}
        return results.Network(head + yaml.safe_dump(config, sort_keys=False), card, checkpoint)

    def make_task(self, candidate: Candidate, key: str) -> Task:
        """Return the task of a candidate.

        Raises:
            ConfigError: its overlay names what is not in the config: so would every other.
        """
        overlay = {**candidate.overlay, **self.fidelity.overlay, **candidate.fidelity}
        laid_over(self.config, overlay)
        folder = self.folder / "candidates" / str(candidate.id)
        return self._task(key, overlay, candidate.seed, folder, self._abort(candidate))

    def _final_task(self, training: FinalTraining) -> Task:
        assert self.final is not None
        folder = self.folder / "finals" / training.key
        task = self._task(training.key, training.overlay, training.seed, folder)
        allowance = self.final.allowance(self.fidelity, self.config.get("trainer", {}).get("max_epochs"))
        return replace(task, allowance=allowance)

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
            "will_test": self.final is not None,
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
            self.on_result()
            self._told.append(Told(step.candidate, step.evaluation, 0.0))
            front = front_of(self._told, self.objectives)
            ids = [one.candidate.id for one in front]
            prune(self._told, front, self.checkpoints_mb)
            if step.evaluation.status != "ok":  # it failed after its training perhaps
                checkpoint = self.folder / "candidates" / str(step.candidate.id) / "model.ckpt"
                checkpoint.unlink(missing_ok=True)
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
