"""An engine with a false clock: ten thousand workers, and every misfortune, in a second."""

from __future__ import annotations

import heapq
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fulmen.engines.running import TaskRunner
from fulmen.searching import Engine, Outcome, OutcomeStatus, Task


@dataclass(frozen=True)
class Misfortunes:
    """How often something goes wrong, as shares of tasks or of polls.

    Attributes:
        crash: The worker dies.
        hang: It never answers, and is stopped at the limit of time.
        oom: It takes too much memory.
        garbage: What it answers is no evaluation.
        twice: It answers twice, now or later.
        cancelled: An answer comes although the task was cancelled.
        stray: An answer comes to what nobody asked.
        idle: A poll returns nothing.
    """

    crash: float = 0.0
    hang: float = 0.0
    oom: float = 0.0
    garbage: float = 0.0
    twice: float = 0.0
    cancelled: float = 0.0
    stray: float = 0.0
    idle: float = 0.0


MANY = Misfortunes(0.05, 0.03, 0.02, 0.02, 0.1, 0.5, 0.02, 0.05)


class SimulatedEngine(Engine):
    """Runs tasks nowhere: their results are computed here, their times are drawn.

    Args:
        workers: How many.
        compute: Gives the result of a task; it stands for the function that the task names. None: that
            function itself is run, in this process and in real time, when the false clock says that it has
            ended.
        seed: Of what is drawn.
        sigma: Of the logarithm of a task's seconds.
        misfortunes: What goes wrong.
        timeout_s: When a task that hangs is stopped.
        median: Seconds of half the tasks or less.
        charged: Whether the clock also moves by what the caller's own work takes in real seconds.

    Attributes:
        now: The false clock, in seconds; it moves in ``poll`` alone.
        idle: Seconds without work, summed over the workers.
    """

    def __init__(
        self,
        workers: int,
        compute: Callable[[Task], Any] | None = None,
        seed: int = 0,
        sigma: float = 0.6,
        misfortunes: Misfortunes | None = None,
        timeout_s: float = 3600.0,
        median: float = 60.0,
        charged: bool = False,
    ) -> None:
        self.workers, self.compute, self.sigma, self.timeout_s = workers, compute, sigma, timeout_s
        self.misfortunes = misfortunes or Misfortunes()
        self.median, self.charged = median, charged
        self.now = self.idle = 0.0
        self._polled = time.perf_counter()
        self._random = np.random.default_rng(seed)
        self._waiting: deque[Task] = deque()
        self._running: dict[str, Task] = {}
        self._events: list[tuple[float, int, Outcome, Task | None]] = []
        self._number = 0
        self._runner = TaskRunner()

    def clock(self) -> float:
        """Return the false time."""
        return self.now

    @property
    def slots(self) -> int:
        """As many as workers."""
        return self.workers

    def submit(self, task: Task) -> None:
        """Start a task, or put it at the end of the queue."""
        self._waiting.append(task)
        self._start()

    def poll(self, timeout: float) -> list[Outcome]:
        """Move the clock to the next event, at most by ``timeout``; return what happens then."""
        if self.charged:
            self._move(self.now + time.perf_counter() - self._polled)
        outcomes = self._poll(timeout)
        self._polled = time.perf_counter()
        return outcomes

    def _poll(self, timeout: float) -> list[Outcome]:
        if self._chance(self.misfortunes.idle) or not self._events:
            self._move(self.now + timeout * bool(self._events))
            return []
        if self._events[0][0] > self.now + timeout:
            self._move(self.now + timeout)
            return []
        self._move(max(self.now, self._events[0][0]))
        outcomes = []
        while self._events and self._events[0][0] <= self.now:
            ended, _, outcome, task = heapq.heappop(self._events)
            if self._running.pop(outcome.key, None) is not None:
                self.idle += self.now - ended
            outcomes.append(outcome if task is None else self._runner.run(task))
        if self._chance(self.misfortunes.stray):
            outcomes.insert(0, Outcome("candidate-987654321", {"values": {}}))
        self._start()
        return outcomes

    def cancel(self, key: str) -> None:
        """Drop a task, unless misfortune has it answer all the same."""
        self._waiting = deque(task for task in self._waiting if task.key != key)
        if self._running.pop(key, None) is not None and not self._chance(self.misfortunes.cancelled):
            self._events = [event for event in self._events if event[2].key != key]
            heapq.heapify(self._events)
        self._start()

    def close(self) -> None:
        """Drop everything."""
        self._waiting.clear()
        self._running.clear()
        self._events.clear()

    def _move(self, now: float) -> None:
        self.idle += (self.workers - len(self._running)) * (now - self.now)
        self.now = now

    def _start(self) -> None:
        while self._waiting and len(self._running) < self.workers:
            task = self._waiting.popleft()
            self._running[task.key] = task
            seconds = self.median * math.exp(self.sigma * self._random.standard_normal())
            status, failure, seconds = self._fate(seconds)
            result: Any = None
            late = None
            if status == "ok":
                if self._chance(self.misfortunes.garbage):
                    result = 17
                elif self.compute is not None:
                    result = self.compute(task)
                else:
                    late = task
            outcome = Outcome(task.key, result, failure, status, seconds)
            self._schedule(seconds, outcome, late)
            if self._chance(self.misfortunes.twice):
                self._schedule(seconds * self._random.choice([1.0, 1.0, 1.3]), outcome, late)

    def _fate(self, seconds: float) -> tuple[OutcomeStatus, str | None, float]:
        drawn, m = self._random.random(), self.misfortunes
        if drawn < m.crash:
            return "crash", "its worker was killed by SIGKILL", seconds / 2
        if drawn < m.crash + m.hang:
            return "timeout", "it took too long", self.timeout_s
        if drawn < m.crash + m.hang + m.oom:
            return "oom", "it took too much memory", seconds / 2
        return "ok", None, seconds

    def _schedule(self, seconds: float, outcome: Outcome, late: Task | None = None) -> None:
        self._number += 1
        heapq.heappush(self._events, (self.now + seconds, self._number, outcome, late))

    def _chance(self, share: float) -> bool:
        return share > 0 and bool(self._random.random() < share)
