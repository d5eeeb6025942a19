"""One machine of a cluster from inside: an actor of Ray's that runs tasks in worker processes."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

from fulmen.engines import wire
from fulmen.engines.processes import ProcessesEngine

Wanted = dict[int, bytes]  # the number of each task that is wanted, and the task


class RayHost:
    """Runs tasks on the machine where it is, as the engine `processes` does there.

    Args:
        options: Of `ProcessesEngine`. It tries nothing again: whether and where is for the run to say.
        folder: The working directory of the run; the same is taken here, if it is there.
        path: Where the run imports from; what is there and missing here comes behind.
        environment: Variables that tasks need.
        output: The folder for what tasks print; each machine has one in it.
    """

    def __init__(
        self,
        options: dict[str, Any],
        folder: str,
        path: list[str],
        environment: dict[str, str],
        output: str | None,
    ) -> None:
        os.environ.update(environment)
        if Path(folder).is_dir():
            os.chdir(folder)
        sys.path += [entry for entry in path if entry not in sys.path and Path(entry).exists()]
        # Workers would import the script of Ray's that this process runs, and Ray with it.
        main = sys.modules["__main__"]
        main.__spec__ = None
        if hasattr(main, "__file__"):
            del main.__file__
        self._engine = ProcessesEngine(**options, retries=0)
        if output is not None:
            self._engine.output = Path(output) / socket.gethostname()
        self._running: dict[str, int] = {}
        self._done: Wanted = {}

    def hello(self) -> str:
        """Begin a worker and return the name of the machine."""
        self._engine.warm_up()
        return socket.gethostname()

    def exchange(self, wanted: Wanted, seconds: float) -> list[tuple[int, bytes]]:
        """Take in what is wanted now, and return what has finished of it.

        Nothing is lost where a question or an answer is: what is not wanted any more is stopped or
        forgotten, what is new is begun, and what has finished is told until it is no longer wanted.

        Args:
            wanted: All that the run waits for, of this machine.
            seconds: To wait for an outcome, at most.
        """
        for key in [key for key, number in self._running.items() if number not in wanted]:
            self._engine.cancel(key)
            del self._running[key]
        self._done = {number: text for number, text in self._done.items() if number in wanted}
        known = self._done.keys() | set(self._running.values())
        for number in wanted.keys() - known:
            task = wire.decode_task(wanted[number])
            self._running[task.key] = number
            self._engine.submit(task)
        for outcome in self._engine.poll(0.0 if self._done else seconds):
            self._done[self._running.pop(outcome.key)] = wire.encode_outcome(outcome)
        return list(self._done.items())
