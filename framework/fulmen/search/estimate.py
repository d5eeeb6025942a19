"""What a search would cost, said before it begins: a few candidates are evaluated and not kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fulmen.errors import FulmenError
from fulmen.search.loop import read
from fulmen.search.progress import counted, duration

if TYPE_CHECKING:
    from fulmen.search.session import Session


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
    lines = [f"{counted(len(seconds), 'candidate')} took {each:.1f} s each, {slots} at a time."]
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
