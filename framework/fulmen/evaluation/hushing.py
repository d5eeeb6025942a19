"""Keeps to itself what Lightning says of every Trainer: a search makes hundreds."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

_LOUD = ("lightning.pytorch", "lightning.fabric")


@contextlib.contextmanager
def hushed(stderr: bool = False) -> Iterator[None]:
    """Drop Lightning's notes and all warnings inside; errors pass.

    Args:
        stderr: Drop what is printed there too, as a parser that refuses a value does.
    """
    loggers = [logging.getLogger(name) for name in _LOUD]
    levels = [logger.level for logger in loggers]
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        if stderr:
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
