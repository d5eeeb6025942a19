"""The thread in every rank that notices when another one fails, tells, and ends the run.

A main thread that waits in a collective cannot be woken by an exception. So each rank has a thread
that beats, looks at the others of its host twice a second, and ends the process if the main thread
does not do so itself within a few seconds.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from subprocess import Popen, TimeoutExpired
from types import TracebackType
from typing import NoReturn

import psutil
from lightning.pytorch.utilities.exceptions import SIGTERMException, _TunerExitException

from fulmen.errors import UserError
from fulmen.ranks import verdicts
from fulmen.ranks.folder import Entry, RankFolder
from fulmen.ranks.processes import ProcessId, out_of_memory_kills
from fulmen.ranks.verdicts import Verdict

POLL = 0.5  # seconds between two looks
PATIENCE = 8.0  # for the main thread that speaks to the user to end by itself, with its hooks
SHORT_PATIENCE = 3.0  # for one that does not, and for a parent to say what a child died of
ECHO_PATIENCE = 2 * SHORT_PATIENCE + 2.0  # for the cause of a broken connection to be found
SUSPENDED = 5.0  # between two looks: this process was itself stopped, and knows nothing of the others


@dataclass(frozen=True)
class Place:
    """Where a process stands: its rank, and the ranks of its host."""

    rank: int
    first: int
    size: int

    @property
    def others(self) -> list[int]:
        """The other ranks of this host."""
        return [rank for rank in range(self.first, self.first + self.size) if rank != self.rank]


def stop_timeout() -> float:
    """Return for how many seconds a rank may be stopped (``FULMEN_RANK_TIMEOUT``, by default 20)."""
    text = os.environ.get("FULMEN_RANK_TIMEOUT", "20")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 1 <= seconds < float("inf"):
        raise UserError(f"FULMEN_RANK_TIMEOUT: {text!r}; expected a number of seconds, 1 or more.")
    return seconds


class Watch(threading.Thread):
    """Watches the ranks of this host while one verb runs; a context around the verb.

    Args:
        folder: Where the ranks leave word.
        place: Which rank this is.
        verb: The number of the verb in this process, from 1.
        children: The ranks that this process started, by rank; read at every look.
        is_terminated: Whether this process was asked to end (SIGTERM).
        needs_speaker: Whether the run ends with the process that started it, itself no rank.
    """

    def __init__(
        self,
        folder: RankFolder,
        place: Place,
        verb: int = 1,
        children: Callable[[], Mapping[int, Popen[bytes]]] = dict,
        is_terminated: Callable[[], bool] = bool,
        needs_speaker: bool = False,
    ) -> None:
        super().__init__(name="fulmen-ranks", daemon=True)
        self.folder, self.place, self.verb = folder, place, verb
        self._children, self._is_terminated, self._needs_speaker = children, is_terminated, needs_speaker
        self._me = ProcessId.own()
        self._timeout = stop_timeout()
        self._memory_kills = out_of_memory_kills()
        self._beats: dict[int, tuple[float, float]] = {}  # rank: its last beat, and when I saw it first
        self._missing: dict[int, float] = {}  # rank: since when I see it gone
        self._looked = time.monotonic()
        self._found = threading.Event()
        self._left = threading.Event()
        self._settling = threading.Lock()  # held by whichever thread ends this process's part
        self._verdict: Verdict | None = None

    # The main thread -------------------------------------------------------------------------------

    def __enter__(self) -> Watch:
        self.folder.enter(self.place.rank, "running", self.verb)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, _TunerExitException):
            if verdict := self.folder.verdict():
                self._raise(verdict)
            self._leave("idle")
        elif isinstance(error, KeyboardInterrupt | SystemExit):
            self._leave("interrupted")
        else:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Tell what this rank raised, or raise what another did if the error is only its echo."""
        if verdicts.is_echo(error) and self._found.wait(ECHO_PATIENCE) and self._verdict:
            self._raise(self._verdict)
        self.folder.pass_verdict(verdicts.raised(self.place.rank, error))
        self._leave("failed")
        self._hush(error)

    def _raise(self, verdict: Verdict) -> NoReturn:
        self._leave("failed")
        if verdict.kind == "interrupted" and self._is_terminated():
            raise SIGTERMException from None
        error = verdict.error()
        self._hush(error)
        raise error from None

    def _hush(self, error: BaseException) -> None:
        """Keep silent about an error, if the run's first process is there to tell of it."""
        first = self.folder.entry(self.place.first)
        if not self._speaks() and first and first.state == "running":
            verdicts.tell_elsewhere(error)

    def _leave(self, state: str) -> None:
        if not self._left.is_set():
            self._settling.acquire()  # never comes back once the thread is ending the process
            self._left.set()
            self.folder.enter(self.place.rank, state, self.verb)  # type: ignore[arg-type]
            self.join(2 * POLL)

    def end_run(self) -> None:
        """End the other ranks and remove the folder, if this process speaks for the run."""
        if self._speaks():
            self._end_others()
            self.folder.remove()

    def _end_others(self, patience: float = SHORT_PATIENCE) -> None:
        """End the other ranks of this host, which may first end by themselves."""
        entries = [self.folder.entry(rank) for rank in self.place.others]
        living = [entry.process for entry in entries if entry]
        with contextlib.suppress(psutil.NoSuchProcess):
            living += [ProcessId.of(child.pid) for child in self._children().values()]
        deadline = time.monotonic() + patience
        while any(process.is_alive() for process in living) and time.monotonic() < deadline:
            time.sleep(0.1)
        for process in living:
            process.kill_tree()
        for child in self._children().values():
            with contextlib.suppress(TimeoutExpired):
                child.wait(timeout=patience)

    # The thread ------------------------------------------------------------------------------------

    def run(self) -> None:
        """Beat and look until the verb is over or a verdict stands."""
        while not self._left.wait(POLL):
            self.folder.beat(self.place.rank)
            verdict = self.folder.verdict() or self._look()
            if verdict:
                self._verdict = verdict
                self._found.set()
                self._conclude(verdict)
                return

    def _look(self) -> Verdict | None:
        now = time.monotonic()
        if now - self._looked > SUSPENDED:
            self._beats.clear()
        self._looked = now
        for rank in self.place.others:
            with contextlib.suppress(psutil.Error, OSError):  # it goes just now: look again
                if verdict := self._examine(rank):
                    return self.folder.pass_verdict(verdict)
        if self._needs_speaker and self.folder.speaker() is None:
            line = "the process that started this run is gone; the run is ended."
            return self.folder.pass_verdict(Verdict(-1, -1, "died", line))
        return None

    def _examine(self, rank: int) -> Verdict | None:
        entry, child = self.folder.entry(rank), self._children().get(rank)
        status = child.poll() if child else None
        if entry is None:
            return verdicts.never_joined(rank, child.pid, status) if child and status is not None else None
        if not entry.process.is_alive():
            return self._gone(rank, entry, status)
        if self._silent_for(rank) > self._timeout and entry.process.is_stopped():
            return verdicts.stopped(rank, entry.process.pid, self._timeout)
        return None

    def _gone(self, rank: int, entry: Entry, status: int | None) -> Verdict | None:
        if entry.state == "idle" and entry.verb >= self.verb:
            return None  # it was done before this rank is
        if not self.folder.fresh and entry.process.started < self._me.started:
            return None  # a file that an earlier run left
        since = self._missing.setdefault(rank, time.monotonic())
        if status is None and self.folder.speaker() and time.monotonic() - since < SHORT_PATIENCE:
            return None  # its parent knows what it died of
        if entry.state == "interrupted":
            return verdicts.interrupted(rank, entry.process.pid)
        starved = out_of_memory_kills() > self._memory_kills
        return verdicts.died(rank, entry.process.pid, status, starved)

    def _silent_for(self, rank: int) -> float:
        """Return for how long a rank has not beaten, on this process's own clock."""
        beat, now = self.folder.last_beat(rank), time.monotonic()
        if self._beats.get(rank, (None, 0))[0] != beat:
            self._beats[rank] = (beat, now)
        return now - self._beats[rank][1]

    def _conclude(self, verdict: Verdict) -> None:
        """Let the main thread end by itself; if it does not, end the process."""
        if verdict.kind == "stopped" and verdict.author == self._me.pid:
            self._end_stopped(verdict.rank)
        patience = PATIENCE if self._speaks() else SHORT_PATIENCE
        if verdict.kind == "stopped" and verdict.rank == self.place.rank:
            patience = 0  # this process was woken to end
        if not self._left.wait(patience) and self._settling.acquire(blocking=False):
            self._end(verdict)

    def _end_stopped(self, rank: int) -> None:
        entry = self.folder.entry(rank)
        if entry is None:
            return
        if entry.process == self.folder.speaker():
            # The user waits for this very process: woken, it ends with a status and a line of its own.
            entry.process.send(signal.SIGCONT)
            deadline = time.monotonic() + PATIENCE
            while entry.process.is_alive() and time.monotonic() < deadline:
                time.sleep(0.1)
        entry.process.kill_tree()

    def _end(self, verdict: Verdict) -> NoReturn:
        try:
            if self._speaks() and self.folder.claim("spoken"):
                _say(verdict.message())
            self.end_run()
            for worker in multiprocessing.active_children():
                worker.kill()
            sys.stdout.flush()
        finally:
            terminated = verdict.kind == "interrupted" and self._is_terminated()
            os._exit(143 if terminated else verdict.exit_status)

    def _speaks(self) -> bool:
        """Whether the user sees this process's words: the run's first, or any once that is gone."""
        speaker = self.folder.speaker()
        return speaker is None or speaker == self._me


def _say(text: str) -> None:
    with contextlib.suppress(Exception):
        sys.stderr.write(f"\n{text}\n")
        sys.stderr.flush()
