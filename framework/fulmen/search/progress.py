"""How far a search is: figures for people, as a live table on a terminal and as lines elsewhere."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fulmen.analysis.formatting import format_number
from fulmen.search import objectives as objectives_
from fulmen.search.budget import Budget
from fulmen.searching import Objective
from fulmen.study import Told

log = logging.getLogger(__name__)

LOG_EVERY = 10.0  # seconds between two lines where there is no terminal
DRAW_EVERY = 0.5  # seconds between two pictures of the table


@dataclass(frozen=True)
class Standing:
    """Where a search stands.

    Attributes:
        done: Candidates with values.
        failed: Candidates without, by status.
        running: Candidates in flight.
        best: Objective to its best value among the feasible.
        front: How many no other beats.
        volume: The hypervolume, or None before there are ten feasible results.
        per_hour: Evaluations an hour, over all that the search has worked.
        left: Seconds that are left by the budget, or None if nobody can tell.
        finals: How many final trainings have ended, and of how many; None before they begin.
    """

    done: int
    failed: dict[str, int]
    running: int
    best: dict[str, float]
    front: int
    volume: float | None
    per_hour: float
    left: float | None
    finals: tuple[int, int] | None = None

    def line(self) -> str:
        """Return all of it in one line."""
        failed = f", {sum(self.failed.values())} failed" if self.failed else ""
        best = "".join(f", best {name} {format_number(value)}" for name, value in self.best.items())
        volume = "" if self.volume is None else f", hypervolume {format_number(self.volume)}"
        left = "" if self.left is None else f", {duration(self.left)} left"
        finals = "" if self.finals is None else ", final trainings {} of {}".format(*self.finals)
        return (
            f"{self.done} done{failed}, {self.running} running, front of {self.front}{best}{volume}, "
            f"{self.per_hour:.0f} an hour{left}{finals}"
        )


def standing(
    told: Sequence[Told],
    objectives: Sequence[Objective],
    running: int,
    seconds: float,
    budget: Budget | None = None,
) -> Standing:
    """Return where a search stands after so many seconds of work."""
    failed: dict[str, int] = {}
    for one in told:
        if one.evaluation.status != "ok":
            failed[one.evaluation.status] = failed.get(one.evaluation.status, 0) + 1
    feasible = [one for one in told if objectives_.is_feasible(one.evaluation, objectives)]
    best = {
        o.name: (max if o.mode == "max" else min)(one.evaluation.values[o.name] for one in feasible)
        for o in objectives
        if feasible
    }
    pace = len(told) / seconds if seconds > 0 else 0.0
    left = math.inf
    if budget is not None:
        left = budget.seconds_left(seconds)
        if budget.evaluations is not None and pace > 0:
            left = min(left, (budget.evaluations - len(told)) / pace)
    return Standing(
        done=len(told) - sum(failed.values()),
        failed=failed,
        running=running,
        best=best,
        front=len(objectives_.front(told, objectives)),
        volume=objectives_.volume(told, objectives),
        per_hour=3600 * pace,
        left=max(0.0, left) if math.isfinite(left) else None,
    )


def duration(seconds: float) -> str:
    """Return seconds as people say them: ``2 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class Display:
    """Shows where a search stands: a table that is drawn anew, or a line now and then.

    Args:
        quiet: Show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._live: Any = None
        self._quiet = quiet
        self._last = -math.inf
        self._now: Standing | None = None
        self._terminal = sys.stderr.isatty()

    @property
    def due(self) -> bool:
        """Whether it is time for the next picture: making one takes a while with thousands of results."""
        pause = DRAW_EVERY if self._terminal else LOG_EVERY
        return not self._quiet and time.monotonic() - self._last > pause

    def show(self, now: Standing) -> None:
        """Show it."""
        self._last, self._now = time.monotonic(), now
        if self._quiet:
            return
        if not self._terminal:
            log.info("search: %s", now.line())
            return
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), transient=True, auto_refresh=False)
            self._live.start()
        self._live.update(_table(now), refresh=True)

    def show_finals(self, done: int, planned: int) -> None:
        """Show how many of the final trainings have ended."""
        if self._quiet:
            return
        if self._now is None or not self._terminal:
            log.info("search: final trainings: %d of %d have ended.", done, planned)
        else:
            self.show(replace(self._now, running=0, left=None, finals=(done, planned)))

    def close(self) -> None:
        """Take the table away."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def _table(now: Standing) -> Any:
    from rich.table import Table

    table = Table(title="search", title_justify="left", show_header=False, box=None)
    failed = ", ".join(f"{count} {status}" for status, count in sorted(now.failed.items())) or "0"
    rows = {"done": str(now.done), "failed": failed, "running": str(now.running), "front": str(now.front)}
    rows |= {f"best {name}": format_number(value) for name, value in now.best.items()}
    rows["hypervolume"] = "-" if now.volume is None else format_number(now.volume)
    rows["an hour"] = f"{now.per_hour:.0f}"
    rows["left"] = "-" if now.left is None else duration(now.left)
    if now.finals is not None:
        del rows["left"]
        rows["final trainings"] = "{} of {} have ended".format(*now.finals)
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def counted(number: int, what: str) -> str:
    """Return ``1 training``, ``2 trainings``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
