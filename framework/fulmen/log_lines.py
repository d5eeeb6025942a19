"""Where a command's log lines go: to stderr, so that a job's output tells its progress without a terminal."""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Iterator

from fulmen.exits import debugging


class _WithoutTraceback(logging.Formatter):
    """Leaves tracebacks to the run's log, except where the user asked for them (``FULMEN_DEBUG=1``)."""

    def format(self, record: logging.LogRecord) -> str:
        if not debugging():
            record = copy.copy(record)
            record.exc_info = record.exc_text = None
        return super().format(record)


@contextlib.contextmanager
def shown_lines(quiet: bool = False) -> Iterator[None]:
    """Print what fulmen logs while a command runs; a library that is imported would leave that to its user.

    Args:
        quiet: Warnings and errors only.

    Where the root logger has handlers, whoever gave it those decides where lines go.
    """
    logger = logging.getLogger("fulmen")
    handler = logging.StreamHandler()
    handler.setFormatter(_WithoutTraceback("%(message)s"))
    level = logger.level
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    own = not logging.root.handlers
    if own:
        logger.addHandler(handler)
    try:
        yield
    finally:
        if own:
            logger.removeHandler(handler)
        logger.setLevel(level)
