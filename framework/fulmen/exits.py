"""How an error becomes an exit status and one line; ``FULMEN_DEBUG=1`` shows the traceback too."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

from fulmen.errors import DISK_FULL, FulmenError

FAILED, REFUSED, INTERRUPTED, TERMINATED = 1, 2, 130, 143


@contextlib.contextmanager
def exit_statuses() -> Iterator[None]:
    """Turn fulmen's errors, a full disk and Ctrl-C into one line and ``SystemExit``.

    Any other exception is a user's or ours, and keeps its traceback.
    """
    try:
        yield
    except FulmenError as error:
        if not getattr(error, "fulmen_told", False):  # in a run of several processes, by the first one
            _say(str(error))
        raise SystemExit(error.exit_status) from error
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        _say(f"{error.filename or 'a file'}: not written ({error.strerror}); free space, then run it again.")
        raise SystemExit(FAILED) from error
    except KeyboardInterrupt:
        _say("interrupted.")
        raise SystemExit(INTERRUPTED) from None


@contextlib.contextmanager
def at_once_on_ctrl_c() -> Iterator[None]:
    """End the process at once on Ctrl-C: for the seconds in which the libraries are imported.

    An exception in mid-import leaves modules half made, and what runs over them then fails in its own
    way: once in eleven, numpy recursed without end, and the status was 1.
    """
    raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not raises or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _end_at_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end_at_once(number: int, frame: object) -> NoReturn:
    os.write(2, b"error: interrupted.\n")
    os._exit(INTERRUPTED)


def debugging() -> bool:
    """Whether the user asked for tracebacks."""
    return os.environ.get("FULMEN_DEBUG", "0") not in {"", "0"}


def _say(line: str) -> None:
    if debugging():
        import traceback  # the quick answers do without it

        traceback.print_exc()
    sys.stderr.write(f"error: {line}\n")
    sys.stderr.flush()
