"""``AnalysisContext.map``: independent pieces of work on an engine, each finished one kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fulmen.artifacts import write_artifact
from fulmen.errors import FulmenError
from fulmen.progressing import progress
from fulmen.searching import Engine, Outcome, Task

log = logging.getLogger(__name__)

Setup = tuple[Callable[..., Any], tuple[Any, ...]]


class KeptMap:
    """Runs a function over items and keeps each result as a JSON file.

    Args:
        engine: What the pieces run on.
        folder: Where the results are kept, one folder per label.

    A piece is known by its function, its item and its setup, so that a result is taken back only
    for the same work.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self._made: set[str] = set()

    def __call__(
        self, function: Callable[..., Any], items: Sequence[Any], label: str, setup: Setup | None = None
    ) -> list[Any]:
        """Return the results in the order of the items; see ``AnalysisContext.map``."""
        tasks = [_task(function, item, setup) for item in items]
        folder = self.folder / _folder_name(label)
        kept = {task.key: folder / f"{task.key}.json" for task in tasks}
        results = {key: json.loads(path.read_bytes()) for key, path in kept.items() if path.exists()}
        if earlier := len(results.keys() - self._made):
            log.info(
                "%s: %d of %d were made by an earlier run and are taken back.", label, earlier, len(kept)
            )
        missing = list({task.key: task for task in tasks if task.key not in results}.values())
        for outcome in progress(self._run(missing), label, total=len(missing)):
            if outcome.failure is not None:
                raise outcome.error or FulmenError(f"{label}: {outcome.failure}{_place(outcome)}")
            text = _plain(outcome.result, function)
            write_artifact(kept[outcome.key], text)
            # Read back from the text, so that a resumed run sees the very same values.
            results[outcome.key] = json.loads(text)
            self._made.add(outcome.key)
        return [results[task.key] for task in tasks]

    def _run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        # A few ahead of the slots, so that no worker waits, and not all: a failure leaves little behind.
        waiting, in_flight = deque(tasks), set[str]()
        try:
            while waiting or in_flight:
                while waiting and len(in_flight) < 2 * self.engine.slots:
                    task = waiting.popleft()
                    self.engine.submit(task)
                    in_flight.add(task.key)
                for outcome in self.engine.poll(timeout=1.0):
                    in_flight.remove(outcome.key)
                    yield outcome
        finally:
            for key in in_flight:
                self.engine.cancel(key)


def _task(function: Callable[..., Any], item: Any, setup: Setup | None) -> Task:
    target = _import_string(function)
    shared, shared_arguments = (None, ()) if setup is None else (_import_string(setup[0]), tuple(setup[1]))
    identity = _plain([target, item, shared, list(shared_arguments)], function)
    key = hashlib.blake2b(identity.encode(), digest_size=12).hexdigest()
    return Task(key, target, (item,), shared, shared_arguments, inherits=True)


def _place(outcome: Outcome) -> str:
    """Return where in a worker a task failed: the traceback of this process shows only the waiting."""
    lines = [line for line in (outcome.traceback or "").splitlines() if line.startswith("  File ")]
    return f" ({lines[-1].strip()})" if lines else ""


def _import_string(function: Callable[..., Any]) -> str:
    name = getattr(function, "__qualname__", "")
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    if not name or getattr(module, name, None) is not function:
        raise TypeError(
            f"map takes module-level functions, so that other processes can import them; got {function!r}"
        )
    return f"{function.__module__}:{name}"


def _plain(value: Any, function: Callable[..., Any]) -> str:
    try:
        return json.dumps(value, sort_keys=True)
    except TypeError as error:
        raise TypeError(f"map takes and gives plain data; {function.__qualname__}: {error}") from None


def _folder_name(label: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in label)
