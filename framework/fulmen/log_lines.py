"""Where a command's log lines go: to stderr, so that a job's output tells its progress without a terminal."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def shown_lines(quiet: bool = False) -> Iterator[None]:
    """Print what fulmen logs while a command runs; a library that is imported would leave that to its user.

    Args:
        quiet: Warnings and errors only.

    Where the root logger has handlers, whoever gave it those decides where lines go.
    """
    logger = logging.getLogger("fulmen")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
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
