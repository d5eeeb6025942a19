"""Whether a process lives, whether it is stopped, and how it is ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class ProcessId:
    """A process for good: a number alone is soon another process's."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """Return the identity of a process that lives."""
        return cls(pid, _started(pid))

    @classmethod
    def own(cls) -> ProcessId:
        """Return the identity of this process."""
        return cls.of(os.getpid())

    def is_alive(self) -> bool:
        """Whether it still runs, a zombie not counted."""
        try:
            return _started(self.pid) == self.started and _status(self.pid) != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def is_stopped(self) -> bool:
        """Whether it lives and was stopped by a signal, as SIGSTOP and Ctrl-Z do."""
        try:
            return self.is_alive() and _status(self.pid) == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            return False

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still lives."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)

    def kill_tree(self) -> None:
        """End it and all that it started, at once."""
        with contextlib.suppress(psutil.Error):
            below = psutil.Process(self.pid).children(recursive=True) if self.is_alive() else []
            self.send(signal.SIGKILL)
            for child in below:
                with contextlib.suppress(psutil.Error):
                    child.kill()


def out_of_memory_kills() -> int:
    """Return how many processes of this machine the kernel has ended for want of memory."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _started(pid: int) -> float:
    try:
        # In ticks since the machine started: psutil's create_time moves when the clock is set.
        return float(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except ProcessLookupError:
        raise psutil.NoSuchProcess(pid) from None
    except OSError:
        return psutil.Process(pid).create_time()


def _status(pid: int) -> str:
    return psutil.Process(pid).status()
