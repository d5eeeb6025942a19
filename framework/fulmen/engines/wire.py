"""What crosses between a run and its workers: JSON, so that a result is data and never runs anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fulmen import errors
from fulmen.errors import FulmenError
from fulmen.searching import Outcome, Task

MOST_BYTES = 64 * 2**20  # of a result: more is a file's work


def encode(value: Any) -> bytes:
    """Return plain data as JSON; NaN and infinities are kept.

    Raises:
        TypeError: it is no plain data (None, bool, int, float, str, list, dict with keys of str).
    """
    _require_text_keys(value)
    return json.dumps(value, separators=(",", ":")).encode()


def decode(text: bytes) -> Any:
    """Return the data that `encode` wrote."""
    return json.loads(text)


def crossed(value: Any) -> Any:
    """Return plain data as it arrives on the other side: tuples as lists."""
    return decode(encode(value))


def encode_task(task: Task) -> bytes:
    """Return a task as JSON.

    Raises:
        TypeError: its arguments are no plain data; names the function.
    """
    try:
        plain = [task.key, task.function, task.arguments, task.setup, task.setup_arguments]
        return encode([*plain, task.allowance])
    except TypeError as error:
        raise TypeError(f"{task.function} is given plain data only: {error}") from None


def decode_task(text: bytes) -> Task:
    """Return the task that `encode_task` wrote."""
    key, function, arguments, setup, setup_arguments, allowance = decode(text)
    return Task(key, function, tuple(arguments), setup, tuple(setup_arguments), allowance=allowance)


def encode_outcome(outcome: Outcome) -> bytes:
    """Return an outcome as JSON; of its error the name of the class and the message."""
    kind = type(outcome.error).__name__ if outcome.error is not None else None
    said = str(outcome.error) if outcome.error is not None else None
    plain = [outcome.key, outcome.result, outcome.failure, outcome.status, outcome.seconds]
    return encode([*plain, kind, said, outcome.traceback])


def decode_outcome(text: bytes) -> Outcome:
    """Return the outcome that `encode_outcome` wrote; an error is there again if it was one of fulmen's.

    Raises:
        ValueError: it is none.
    """
    try:
        key, result, failure, status, seconds, kind, said, traceback = decode(text)
    except TypeError as said_nothing:
        raise ValueError(f"no outcome: {text[:40]!r}") from said_nothing
    known = getattr(errors, kind or "", None)  # these say what the exit status of the run is
    error = known(said) if isinstance(known, type) and issubclass(known, FulmenError) else None
    return Outcome(key, result, failure, status, seconds, error, traceback)


def _require_text_keys(value: Any) -> None:
    """JSON turns other keys into text without a word."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"keys are texts, got {key!r:.40} of type {type(key).__name__}")
            _require_text_keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _require_text_keys(inner)
