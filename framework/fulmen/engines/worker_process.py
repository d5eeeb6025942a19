"""A worker process as its run sees it: begun, given a task, watched, killed."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fulmen.engines import frames, worker
from fulmen.engines.worker import WorkerOptions, serve
from fulmen.errors import FulmenError

PAUSES = (0.1, 1.0)  # seconds, between tries to reach the fork server
PRELOADED = ("fulmen.evaluation.preloaded",)  # the fork server's imports


class WorkerProcess:
    """One worker and the channel to it.

    Args:
        options: How it behaves.
        lifeline: The engine's pipe: its read end goes to the worker, its write end stays in the run.
        forked: Fork it from this very process, so that it holds what this process holds; else from
            the fork server, which holds what it has imported and nothing else.
        siblings: The channels to other workers, which a fork must not hold, or the end of one worker
            would wait for that of another.

    Attributes:
        channel: The run's end of the channel.
        ready: Whether it has said that it is up.
    """

    def __init__(
        self,
        options: WorkerOptions,
        lifeline: tuple[Connection, Connection],
        forked: bool,
        siblings: tuple[Connection, ...] = (),
    ) -> None:
        context = _context(forked)
        self.channel, theirs = multiprocessing.Pipe(duplex=True)
        os.set_blocking(self.channel.fileno(), False)
        foreign = (*siblings, self.channel, lifeline[1]) if forked else ()
        options = WorkerOptions(options.threads, options.memory_mb, options.output, foreign)
        self._process: Any = context.Process(target=serve, args=(theirs, lifeline[0], options))
        _start(self._process, forked)
        theirs.close()
        self._reader, self._unsent = frames.Reader(), bytearray()
        self.ready = False

    @property
    def pid(self) -> int:
        """Its process number."""
        return int(self._process.pid)

    @property
    def handles(self) -> list[Any]:
        """What to wait for: its channel and its end."""
        return [self.channel, self._process.sentinel]

    def send(self, text: bytes) -> None:
        """Send a message; what does not fit at once goes with the next `flush`."""
        self._unsent += frames.frame(text)
        self.flush()

    def flush(self) -> None:
        """Send what still waits, as far as it fits."""
        try:
            while self._unsent:
                sent = os.write(self.channel.fileno(), self._unsent)
                del self._unsent[:sent]
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno not in {errno.EPIPE, errno.ECONNRESET}:
                raise
            self._unsent.clear()  # it is dead, as its end will tell

    def receive(self) -> list[bytes]:
        """Return the messages that have arrived whole; none is waited for.

        Raises:
            frames.Garbage: something else has arrived.
        """
        messages: list[bytes] = []
        while True:
            try:
                data = os.read(self.channel.fileno(), 1 << 20)
            except (BlockingIOError, ConnectionResetError):
                return messages
            if not data:
                return messages
            messages += self._reader.feed(data)

    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.exitcode is not None or not Path(f"/proc/{self.pid}").exists()

    def how_it_ended(self) -> str:
        """Return how it ended, as a clause: ``was killed by SIGKILL``."""
        self._process.join(1.0)
        code = self._process.exitcode
        if code is None or code == 255:  # the fork server did not see it
            return "is gone"
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"was killed by {signal.Signals(-code).name}"
        return f"ended with status {code} and no result"

    def has_more_than(self, limit: int) -> bool:
        """Say whether it and its children have taken so many bytes of memory; not, if it is gone."""
        import psutil  # not before there is a limit to keep

        try:
            process = psutil.Process(self.pid)
            everyone = [process, *process.children(recursive=True)]
        except psutil.Error:
            return False
        if sum(_resident(one.pid) for one in everyone) <= limit:
            return False
        # Those counted a page that is shared, as a data loader's with the worker it was forked from, each.
        return sum(_resident_share(one.pid) for one in everyone) > limit

    def retire(self) -> None:
        """Let it end by itself: it has no more tasks."""
        self.channel.close()

    def kill(self) -> None:
        """End it and its children now."""
        for kill in (os.killpg, os.kill):  # it has no group of its own in its first instants
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(self.pid, signal.SIGKILL)
        self._process.join(5.0)
        self.channel.close()


def _context(forked: bool) -> Any:
    if forked:
        return multiprocessing.get_context("fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


def _start(process: Any, forked: bool) -> None:
    """Start a process. A fork server that is gone, perhaps for want of memory, is begun anew.

    Raises:
        FulmenError: the fork server does not come up.
    """
    if forked:
        process.start()
        return
    for pause in (*PAUSES, None):
        try:
            with _undisturbed():
                process.start()
            return
        except (EOFError, ConnectionError) as error:
            if pause is None:
                raise FulmenError(
                    "engine processes: the process that workers are forked from does not come up; what it "
                    "printed says why. (A file of yours called as a module of Python's stands before it.)"
                ) from error
            time.sleep(pause)  # until it can be seen that the old one is gone


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep signals to the whole process group from the fork server, which begins with the first worker.

    It ends with the run.
    """
    # That would begin it, too, and would let all signals through then.
    resource_tracker.ensure_running()
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, worker.SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _resident(pid: int) -> int:
    return _summed(f"/proc/{pid}/status", "RssAnon:", "RssShmem:")


def _resident_share(pid: int) -> int:
    """As `_resident`, but a page of several processes counts as a part in each; it takes milliseconds."""
    return _summed(f"/proc/{pid}/smaps_rollup", "Pss_Anon:", "Pss_Shmem:")


def _summed(file: str, *names: str) -> int:
    """Return bytes out of a file of /proc; 0 if the process is gone."""
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(names))
