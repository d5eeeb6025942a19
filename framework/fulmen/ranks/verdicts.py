"""Which rank failed, and how, in a line that a person can act on."""

from __future__ import annotations

import os
import re
import signal
import sys
import traceback
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from fulmen.errors import FulmenError, RankError

Kind = Literal["raised", "died", "stopped", "interrupted"]

_ECHO = re.compile(
    r"connection (was )?(closed|reset|refused)|closed by peer|broken pipe|gloo|nccl|c10d|tcpstore|socket",
    re.IGNORECASE,
)
_TRACEBACK_LENGTH = 20_000  # characters, its end


@dataclass(frozen=True)
class Verdict:
    """Why a run of several processes ends.

    Attributes:
        rank: The rank that failed.
        pid: Its process.
        kind: ``raised``, ``died``, ``stopped`` or ``interrupted``.
        line: What happened, for people.
        details: The rank's traceback, where the error was its own and not fulmen's.
        exit_status: What the run ends with.
        author: The process that found it out.
    """

    rank: int
    pid: int
    kind: Kind
    line: str
    details: str = ""
    exit_status: int = 1
    author: int = 0

    def message(self) -> str:
        """Return the line, and below it the rank's traceback if there is one."""
        return f"{self.line}\n{self.details}".rstrip()

    def error(self) -> RankError:
        """Return the error that the other ranks raise."""
        error = RankError(self.message())
        error.exit_status = self.exit_status
        return error


def raised(rank: int, error: BaseException) -> Verdict:
    """Describe an exception of this process."""
    if isinstance(error, FulmenError):  # a line of its own, and a bug of nobody's
        return Verdict(rank, os.getpid(), "raised", f"rank {rank}: {error}", "", error.exit_status)
    kind = type(error).__qualname__
    text = (str(error).splitlines() or [""])[0]
    line = f"rank {rank} (pid {os.getpid()}) raised {kind}{f': {text}' if text else ''}"
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return Verdict(rank, os.getpid(), "raised", line, "".join(lines)[-_TRACEBACK_LENGTH:])


def died(rank: int, pid: int, status: int | None, out_of_memory: bool) -> Verdict:
    """Describe a process that is gone; ``status`` as `subprocess.Popen.returncode` has it, if known."""
    who = f"rank {rank} (pid {pid})"
    if status is None:
        how = "is gone without a word: killed from outside, or crashed"
    elif status >= 0:
        how = f"ended with status {status} in the middle of the run"
    else:
        how = f"was killed by {_signal_name(-status)}"
    if out_of_memory and status in {None, -signal.SIGKILL}:
        how += ", while the kernel was ending processes for want of memory"
    return Verdict(rank, pid, "died", f"{who} {how}; the run is ended.")


def never_joined(rank: int, pid: int, status: int) -> Verdict:
    """Describe a process that ended before it took part in the run."""
    how = f"was killed by {_signal_name(-status)}" if status < 0 else f"ended with status {status}"
    line = f"rank {rank} (pid {pid}) {how} before it joined the run; what it said of it stands above."
    return Verdict(rank, pid, "died", line, exit_status=status if status == 2 else 1)


def stopped(rank: int, pid: int, seconds: float) -> Verdict:
    """Describe a process that is there and does not run."""
    line = (
        f"rank {rank} (pid {pid}) was stopped (by SIGSTOP or Ctrl-Z): no heartbeat for {seconds:.0f} s; "
        "the run is ended. FULMEN_RANK_TIMEOUT sets the seconds."
    )
    return Verdict(rank, pid, "stopped", line)


def interrupted(rank: int, pid: int) -> Verdict:
    """Describe a process that a person or a scheduler asked to end."""
    return Verdict(rank, pid, "interrupted", f"rank {rank} (pid {pid}) was interrupted; the run is ended.")


def is_echo(error: BaseException) -> bool:
    """Whether an error is what a rank sees of another one's end: a connection that broke."""
    if not isinstance(error, RuntimeError | OSError):
        return False
    return bool(_ECHO.search(str(error))) or type(error).__name__.startswith("Dist")


def tell_elsewhere(error: BaseException) -> None:
    """Keep this process silent about an error that the run's first process tells of."""
    error.__dict__["fulmen_told"] = True
    if getattr(sys.excepthook, "__name__", "") != "_unless_told":
        previous = sys.excepthook

        def _unless_told(
            kind: type[BaseException], error: BaseException, trace: TracebackType | None
        ) -> None:
            if not is_told(error):
                previous(kind, error, trace)

        sys.excepthook = _unless_told


def is_told(error: BaseException) -> bool:
    """Whether another process of the run prints this error, so that this one need not."""
    return bool(getattr(error, "fulmen_told", False))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
