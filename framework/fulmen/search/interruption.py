"""Ctrl-C and SIGTERM wait for a moment in which nothing that has finished can be lost."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


class Terminated(BaseException):
    """SIGTERM came: no failure of anything, so no Exception."""


@contextlib.contextmanager
def deferred_signals() -> Iterator[Callable[[], None]]:
    """Note SIGINT and SIGTERM inside; yields what raises them, to be called where that is safe.

    A second Ctrl-C is raised at once, wherever that is. Outside the main thread, where Python has no
    signals, nothing is changed.

    Raises:
        KeyboardInterrupt: by the function yielded, after SIGINT.
        Terminated: likewise, after SIGTERM.
    """
    came: list[int] = []

    def note(number: int, frame: Any) -> None:
        if number == signal.SIGINT and signal.SIGINT in came:
            raise KeyboardInterrupt
        came.append(number)

    def check() -> None:
        if came:
            raise Terminated if came[0] == signal.SIGTERM else KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield check
        return
    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield check
        check()  # what came since the last look
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
