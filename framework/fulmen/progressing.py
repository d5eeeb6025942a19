"""Progress of long work: one bar on a terminal, log lines elsewhere, nothing below two seconds."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

SHOW_AFTER = 2.0  # seconds of silence, so that quick work prints nothing
LOG_EVERY = 10.0  # seconds between lines where there is no terminal


def progress(iterable: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield the items of ``iterable`` and show how far they are.

    Args:
        iterable: What is worked through.
        label: What is being done, for people: ``"fault trials"``.
        total: How many items there are; taken from ``len(iterable)`` where it has one.

    On a terminal a rich bar appears after two seconds; elsewhere a log line every ten. Only rank
    zero shows anything.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    if not is_rank_zero():
        yield from iterable
    elif sys.stderr.isatty():
        yield from _bar(iterable, label, total)
    else:
        yield from _lines(iterable, label, total)


def is_rank_zero() -> bool:
    """Whether this process speaks for the run (by the variables that launchers set)."""
    return all(
        os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    )


def _bar(iterable: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    start = time.monotonic()
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(label, total=total)
    try:
        for item in iterable:
            yield item
            bar.advance(task)
            if not bar.live.is_started and time.monotonic() - start > SHOW_AFTER:
                bar.start()
    finally:
        bar.stop()


def _lines(iterable: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    last = time.monotonic()
    for done, item in enumerate(iterable, start=1):
        yield item
        now = time.monotonic()
        if now - last >= LOG_EVERY:
            log.info("%s: %d%s", label, done, f" of {total}" if total is not None else "")
            last = now
