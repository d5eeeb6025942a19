"""Tasks that an engine is tried with: good ones, and those that break whatever runs them."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

_built: list[int] = []


def give_back(*arguments: Any) -> list[Any]:
    """Return the arguments."""
    return list(arguments)


def types_of(*arguments: Any) -> list[str]:
    """Return the names of the arguments' types."""
    return [type(argument).__name__ for argument in arguments]


def build(number: int) -> dict[str, int]:
    """Be a setup; count how often."""
    _built.append(number)
    return {"number": number, "built": len(_built)}


def add(shared: dict[str, int], number: int) -> list[int]:
    """Return a sum, how often this process has built, and which process it is."""
    return [shared["number"] + number, shared["built"], os.getpid()]


def fail(message: str) -> None:
    """Raise."""
    raise ValueError(message)


def refuse(message: str) -> None:
    """Raise an error of fulmen's."""
    from fulmen.errors import UserError

    raise UserError(message)


def leave(status: int) -> None:
    """Raise SystemExit."""
    sys.exit(status)


def not_plain() -> object:
    """Return what does not cross."""
    return {1, 2}


def number_keys() -> dict[int, int]:
    """Return what JSON would change without a word."""
    return {1: 2}


def sleep(seconds: float) -> float:
    """Take time."""
    time.sleep(seconds)
    return seconds


def pid() -> int:
    """Return which process it is."""
    return os.getpid()


def eat(megabytes: int, piecewise: bool = False) -> int:
    """Take memory, at once or little by little in what no limit of a process's data counts."""
    if not piecewise:
        return len(bytearray(megabytes * 2**20))
    import mmap

    held = [mmap.mmap(-1, 2**20) for _ in range(megabytes)]  # shared mappings
    for piece in held:
        piece.write(b"x" * 2**20)
    time.sleep(60)
    return len(held)


def share(megabytes: int, children: int, seconds: float) -> str:
    """Take memory, and fork so many children that live as long: they have the same memory."""
    held = b"x" * (megabytes * 2**20)
    pids = []
    for _ in range(children):
        if not (pid := os.fork()):
            time.sleep(seconds)
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    return "alive" if held else "gone"


def big_result(megabytes: int) -> str:
    """Return more than crosses."""
    return "x" * (megabytes * 2**20)


def die(how: str, once: str = "") -> str:
    """End the process without an answer, each time or only the first.

    Args:
        how: ``kill``, ``exit``, ``segfault``, ``stop`` or ``garbage``.
        once: A file that is made the first time; where it exists nothing happens.
    """
    if once:
        if Path(once).exists():
            return "alive"
        Path(once).touch()
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "exit":
        os._exit(0)
    elif how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif how == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif how == "garbage":
        _write_everywhere(b"Epoch 1: 100%|#####| 10/10\n" * 8)
        time.sleep(60)
    return "alive"


def _write_everywhere(text: bytes) -> None:
    """Write to whatever is open, as a library gone wrong may do."""
    import stat

    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                os.write(int(name), text)
        except OSError:
            continue
