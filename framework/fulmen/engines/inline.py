"""The engine that runs one task after the other in this process."""

from __future__ import annotations

from collections import deque

from fulmen.engines.running import TaskRunner
from fulmen.searching import Engine, Outcome, Task


class InlineEngine(Engine):
    """Runs tasks in this process, in the order of submission, each when it is polled for.

    Nothing is started and nothing crosses a border, so that a debugger sees all. A task that eats the
    memory or never ends takes the run with it.
    """

    def __init__(self) -> None:
        self._waiting: deque[Task] = deque()
        self._runner = TaskRunner()

    @property
    def slots(self) -> int:
        """One: a task runs when it is polled for."""
        return 1

    def submit(self, task: Task) -> None:
        """Put a task at the end of the queue."""
        self._waiting.append(task)

    def poll(self, timeout: float) -> list[Outcome]:
        """Run the next task, however long it takes, and return its outcome."""
        return [self._runner.run(self._waiting.popleft())] if self._waiting else []

    def cancel(self, key: str) -> None:
        """Drop a waiting task."""
        self._waiting = deque(task for task in self._waiting if task.key != key)

    def close(self) -> None:
        """Drop what waits and what the tasks shared."""
        self._waiting.clear()
        self._runner = TaskRunner()
