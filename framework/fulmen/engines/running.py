"""Running one task in this process: the same in the run itself and in a worker."""

from __future__ import annotations

import time
import traceback
from typing import Any

from fulmen.engines import wire
from fulmen.searching import Outcome, OutcomeStatus, Task
from fulmen.targets import load_target, one_line

_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "unable to allocate")


class TaskRunner:
    """Runs tasks one after the other, in the process that it stands in, for an engine.

    Not for threads: trainings share torch's random streams, and what a setup gave.

    Args:
        kept: The results of how many setups are kept, 1 or more; a model each, so few.
    """

    def __init__(self, kept: int = 1) -> None:
        self._kept = kept
        self._shared: dict[tuple[str, bytes], Any] = {}

    def run(self, task: Task) -> Outcome:
        """Run a task, however long it takes; what it raises becomes the outcome's failure.

        The setup is called unless its result is kept. Arguments and result are passed through JSON, as if
        they had crossed. What interrupts a run (KeyboardInterrupt and the like) is raised.

        Returns:
            The outcome: its ``error`` is the exception, which an engine that crosses to another process sends
            as text.
        """
        start = time.monotonic()
        try:
            function = load_target(task.function, f"task {task.key}")
            arguments = wire.crossed(task.arguments)
            if task.setup is not None:
                arguments = [self._setup(task), *arguments]
            result = _plain(function(*arguments), task)
        except (Exception, SystemExit) as error:
            if isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from error  # Lightning's Trainer exits where it is interrupted
            seconds = time.monotonic() - start
            text = "".join(traceback.format_exception(error))
            return Outcome(task.key, None, one_line(error), _status(error), seconds, error, text)
        return Outcome(task.key, result, seconds=time.monotonic() - start)

    def _setup(self, task: Task) -> Any:
        assert task.setup is not None
        key = (task.setup, wire.encode(task.setup_arguments))
        if key not in self._shared:
            while len(self._shared) >= self._kept:  # before the next is built: both may not fit
                del self._shared[next(iter(self._shared))]
            setup = load_target(task.setup, f"the setup of task {task.key}")
            self._shared[key] = setup(*wire.crossed(task.setup_arguments))
        return self._shared[key]


def _plain(result: Any, task: Task) -> Any:
    try:
        text = wire.encode(result)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{task.function} gives plain data only: {error}") from None
    if len(text) > wire.MOST_BYTES:
        raise ValueError(
            f"{task.function} gave {len(text) / 2**20:.0f} MiB; at most {wire.MOST_BYTES >> 20} MiB cross: "
            "write a file and return its path."
        )
    return wire.decode(text)


def _status(error: BaseException) -> OutcomeStatus:
    return "oom" if lacks_memory(error) else "failed"


def lacks_memory(error: BaseException) -> bool:
    """Say whether an error is that there is no memory left, of whichever kind."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(text in said for text in _NO_MEMORY)
