"""The engine that runs one task after the other in this process."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from fulmen.searching import Engine, Outcome, Task
from fulmen.targets import load_target


class InlineEngine(Engine):
    """Runs tasks here, in the order of submission, each when it is polled for.

    A task's exception is the caller's: it passes through ``poll`` with its traceback, since there
    is no other process that could lose it.
    """

    def __init__(self) -> None:
        self._waiting: deque[Task] = deque()
        self._shared: dict[tuple[str, str], Any] = {}

    @property
    def slots(self) -> int:
        """One: a task runs when it is polled for."""
        return 1

    def submit(self, task: Task) -> None:
        """Put a task at the end of the queue."""
        self._waiting.append(task)

    def poll(self, timeout: float) -> list[Outcome]:
        """Run the next task, however long it takes, and return its outcome."""
        if not self._waiting:
            return []
        task = self._waiting.popleft()
        start = time.monotonic()
        function = load_target(task.function, f"task {task.key}")
        arguments = task.arguments if task.setup is None else (self._setup(task), *task.arguments)
        result = function(*arguments)
        return [Outcome(task.key, result, seconds=time.monotonic() - start)]

    def cancel(self, key: str) -> None:
        """Drop a waiting task."""
        self._waiting = deque(task for task in self._waiting if task.key != key)

    def close(self) -> None:
        """Drop what waits and what the tasks shared."""
        self._waiting.clear()
        self._shared.clear()

    def _setup(self, task: Task) -> Any:
        assert task.setup is not None
        key = (task.setup, repr(task.setup_arguments))
        if key not in self._shared:
            self._shared[key] = load_target(task.setup, f"setup of {task.key}")(*task.setup_arguments)
        return self._shared[key]
