"""Whether another process of this host lives, and for how long it is waited for."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

LOOK = 0.1  # seconds between two looks at a process that is waited for
STOPPED = 40.0  # seconds that a process may be stopped (SIGSTOP); fulmen's own watch is earlier where it runs


@dataclass(frozen=True)
class Process:
    """A process of this host, which a later one with the same number does not pass for.

    Attributes:
        pid: Its number.
        started: When it started, in the kernel's ticks.
    """

    pid: int
    started: int

    @classmethod
    def own(cls) -> Self:
        """Return this process."""
        return cls(os.getpid(), int(_status(os.getpid())[19]))

    def state(self) -> str:
        """Return what it does: ``runs``, ``stopped`` or ``gone``."""
        try:
            fields = _status(self.pid)
        except OSError:
            return "gone"
        if int(fields[19]) != self.started or fields[0] in "ZX":
            return "gone"
        return "stopped" if fields[0] in "Tt" else "runs"


class Patience:
    """How long one wait for one process goes on.

    Args:
        process: Which is waited for.
        name: What errors call it, for example ``rank 1``.
        timeout: Seconds for the wait as a whole.
    """

    def __init__(self, process: Process, name: str, timeout: float) -> None:
        self.process, self.name, self.timeout = process, name, timeout
        self._since = self._looked = time.monotonic()
        self._stopped = 0.0

    def check(self) -> None:
        """Look at the process, if it is time to.

        Raises:
            ConnectionError: it is gone, is stopped for too long, or the wait is too long.
        """
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        # Time that this process was itself stopped for is not the other's.
        passed, self._looked = min(now - self._looked, 2 * LOOK), now
        state = self.process.state()
        who = f"{self.name} (pid {self.process.pid})"
        if state == "gone":
            raise ConnectionError(f"shared memory: connection closed by peer: {who} is gone.")
        self._stopped = self._stopped + passed if state == "stopped" else 0.0
        if self._stopped > STOPPED:
            raise ConnectionError(
                f"shared memory: connection closed by peer: {who} has been stopped for {STOPPED:.0f} s."
            )
        if now - self._since > self.timeout:
            raise ConnectionError(
                f"shared memory: connection closed by peer: {who} did not come to the exchange in "
                f"{self.timeout:.0f} s; the strategy's `timeout` sets how long it is waited for."
            )


def _status(pid: int) -> list[str]:
    # The name, in brackets, may hold spaces: what follows it is the state, field 3 of proc(5), and so on.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
