"""The engine that runs tasks in persistent worker processes of this machine."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import multiprocessing.util
import os
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path

from fulmen.artifacts import make_folder
from fulmen.engines import frames, wire
from fulmen.engines.worker import WorkerOptions
from fulmen.engines.worker_process import WorkerProcess
from fulmen.errors import ConfigError, FulmenError
from fulmen.searching import Engine, Outcome, OutcomeStatus, Task

log = logging.getLogger(__name__)

TICK = 0.2  # seconds between two looks at limits
PATIENCE = 5.0  # seconds for a retired worker to end by itself
MOST_OUTPUT = 16 * 2**20  # bytes of a worker's printed output that are kept

# Which worker can take a task: forked from this process for the tasks of one setup, or any other.
_Sort = tuple[str, bytes] | None


@dataclass
class _Tried:
    task: Task
    tries: int = 0


@dataclass
class _Worker:
    process: WorkerProcess
    sort: _Sort
    done: int = 0
    work: _Tried | None = None
    since: float = 0.0
    lines: list[str] = field(default_factory=list)


class ProcessesEngine(Engine):
    """Runs tasks in worker processes that stay, each with Lightning imported once.

    A worker that dies, hangs or answers garbage costs its task one more try, and then a failure; the
    others go on. Workers end with the run, however that ends.

    Args:
        workers: How many; None: one per core that this process may use.
        threads: Threads of torch in each.
        timeout_s: Seconds that a task may take; None: no limit.
        memory_mb: Memory of its own that a worker may take, MB; None: no limit. A worker that has
            done nothing has about 350.
        tasks_per_worker: After so many a worker is replaced, so that what tasks leave behind does not
            pile up.
        retries: How often a task is tried again after its worker died or hung.

    Raises:
        ConfigError: a number makes no sense.
    """

    def __init__(
        self,
        workers: int | None = None,
        threads: int = 1,
        timeout_s: float | None = None,
        memory_mb: int | None = None,
        tasks_per_worker: int = 100,
        retries: int = 1,
    ) -> None:
        cores = len(os.sched_getaffinity(0))
        self.workers = cores if workers is None else workers
        _require("workers", self.workers, 1, max(64, 8 * cores))
        _require("threads", threads, 1, max(64, cores))
        _require("timeout_s", timeout_s, 0.01)
        _require("memory_mb", memory_mb, 64)
        _require("tasks_per_worker", tasks_per_worker, 1)
        _require("retries", retries, 0, 100)
        self.timeout_s, self.memory_mb = timeout_s, memory_mb
        self.tasks_per_worker, self.retries = tasks_per_worker, retries
        self.options = WorkerOptions(threads, memory_mb)
        self._lifeline = multiprocessing.Pipe(duplex=False)
        self._waiting: deque[_Tried] = deque()
        self._workers: list[_Worker] = []
        self._retired: list[tuple[WorkerProcess, float]] = []
        self._failed_starts = 0
        # multiprocessing waits at exit for workers that nobody closed.
        self._finalizer = multiprocessing.util.Finalize(self, _kill_all, (self._workers,), exitpriority=100)

    @property
    def slots(self) -> int:
        """As many as workers."""
        return self.workers

    @property
    def pids(self) -> list[int]:
        """The process numbers of the workers."""
        return [worker.process.pid for worker in self._workers]

    def warm_up(self) -> None:
        """Begin a worker now: the first waits for Lightning to be imported, further ones do not."""
        if not self._workers:
            self._begin(None)

    def submit(self, task: Task) -> None:
        """Put a task at the end of the queue.

        Raises:
            TypeError: its arguments are no plain data.
        """
        wire.encode_task(task)
        self._waiting.append(_Tried(task))

    def poll(self, timeout: float) -> list[Outcome]:
        """Return what has finished, waiting at most ``timeout`` seconds for the first."""
        end = time.monotonic() + timeout
        while True:
            outcomes = self._step()
            left = end - time.monotonic()
            if outcomes or left <= 0 or not (self._waiting or self._busy()):
                return outcomes
            handles = [handle for worker in self._workers for handle in worker.process.handles]
            wait(handles, timeout=min(left, TICK))

    def cancel(self, key: str) -> None:
        """Drop a task that has not finished; a worker that runs it is killed."""
        self._waiting = deque(tried for tried in self._waiting if tried.task.key != key)
        for worker in self._busy():
            if worker.work is not None and worker.work.task.key == key:
                self._drop(worker)

    def close(self) -> None:
        """End the workers and drop what waits."""
        self._waiting.clear()
        _kill_all(self._workers)
        for process, _ in self._retired:
            process.kill()
        self._retired.clear()
        for end in self._lifeline:
            end.close()
        self._finalizer.cancel()

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.work is not None]

    def _step(self) -> list[Outcome]:
        """Hand out what waits, take in what arrived, stop what is beyond a limit."""
        outcomes: list[Outcome] = []
        self._hand_out()
        for worker in list(self._workers):
            outcomes += self._look_at(worker)
        self._hand_out()
        now = time.monotonic()
        for process, since in [pair for pair in self._retired if pair[0].ended() or now - pair[1] > PATIENCE]:
            process.kill()
            self._retired.remove((process, since))
        return outcomes

    def _hand_out(self) -> None:
        while self._waiting:
            worker = self._idle_for(_sort(self._waiting[0].task))
            if worker is None:
                return
            worker.work = self._waiting.popleft()
            worker.work.tries += 1
            worker.since = time.monotonic()
            worker.process.send(wire.encode_task(worker.work.task))

    def _idle_for(self, sort: _Sort) -> _Worker | None:
        """Return an idle worker that can take such a task, a new one if there is room, or None."""
        idle = [worker for worker in self._workers if worker.work is None]
        if fitting := [worker for worker in idle if worker.sort == sort]:
            # Those that are up come first: the others may take seconds.
            return max(fitting, key=lambda worker: worker.process.ready)
        if len(self._workers) < self.workers or idle:
            if len(self._workers) >= self.workers:
                self._retire(idle[0])
            return self._begin(sort)
        return None

    def _begin(self, sort: _Sort) -> _Worker:
        siblings = tuple(worker.process.channel for worker in self._workers)
        output = None
        if self.output is not None:
            output = str(make_folder(self.output) / f"worker-{len(self._workers) + 1}.log")
        options = WorkerOptions(self.options.threads, self.options.memory_mb, output)
        worker = _Worker(WorkerProcess(options, self._lifeline, sort is not None, siblings), sort)
        self._workers.append(worker)
        return worker

    def _look_at(self, worker: _Worker) -> list[Outcome]:
        process = worker.process
        process.flush()
        ended = process.ended()  # before reading: what it wrote before its end is there
        try:
            messages = process.receive()
        except frames.Garbage as garbage:
            return self._lost(worker, "crash", f"its worker answered garbage ({garbage.args[0]!r})")
        outcomes: list[Outcome] = []
        for message in messages:
            if message == b"ready":
                process.ready, self._failed_starts = True, 0
                worker.since = time.monotonic()
                continue
            outcome = _outcome(message, worker.work)
            if outcome is None:
                return outcomes + self._lost(worker, "crash", "its worker answered another task")
            outcomes.append(outcome)
            worker.work = None
            worker.done += 1
        if ended:
            return outcomes + self._lost(worker, "crash", f"its worker {process.how_it_ended()}")
        if outcomes and worker.done >= self.tasks_per_worker:
            self._retire(worker)
        if worker.work is not None and process.ready:
            outcomes += self._stop_beyond_limits(worker)
        return outcomes

    def _stop_beyond_limits(self, worker: _Worker) -> list[Outcome]:
        assert worker.work is not None
        seconds, allowance = time.monotonic() - worker.since, worker.work.task.allowance
        if self.timeout_s is not None and seconds > self.timeout_s * allowance:
            times = "" if allowance == 1 else f", {allowance:g} times for this one"
            why = f"it took more than {self.timeout_s * allowance:g} s (timeout_s{times})"
            return self._lost(worker, "timeout", why)
        if self.memory_mb is not None and worker.process.has_more_than(self.memory_mb * 2**20):
            worker.work.tries += self.retries  # it would only do it again
            return self._lost(worker, "oom", f"it took more than {self.memory_mb} MB (memory_mb)")
        return []

    def _lost(self, worker: _Worker, status: OutcomeStatus, why: str) -> list[Outcome]:
        """Drop a worker; its task is tried once more, first of all, or has failed."""
        work, seconds, ready = worker.work, time.monotonic() - worker.since, worker.process.ready
        self._drop(worker)
        if not ready:
            self._failed_starts += 1
            if self._failed_starts > 2 * self.workers + 2:
                raise FulmenError(
                    f"engine processes: no worker comes up ({why.removeprefix('its worker ')}); "
                    f"{_where(self.output)} says why."
                )
            if work is not None:
                work.tries -= 1  # it was never begun
        if work is None:
            return []
        if work.tries <= self.retries:
            log.warning("task %s: %s; it is tried again.", work.task.key, why)
            self._waiting.appendleft(work)
            return []
        times = f", {work.tries} times" if work.tries > 1 and status != "oom" else ""
        return [Outcome(work.task.key, None, f"{why}{times}", status, seconds)]

    def _retire(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.process.retire()
        self._retired.append((worker.process, time.monotonic()))
        if self.output is not None:
            _shorten_outputs(self.output)

    def _drop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.process.kill()


def _kill_all(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.process.kill()
    workers.clear()


def _sort(task: Task) -> _Sort:
    """Return which workers can take a task.

    A process that uses an accelerator cannot be forked: what it holds there does not survive.
    """
    torch = sys.modules.get("torch")
    if not task.inherits or (torch is not None and torch.cuda.is_initialized()):
        return None
    return task.setup or "", wire.encode(task.setup_arguments)


def _outcome(message: bytes, work: _Tried | None) -> Outcome | None:
    """Return what a worker answered, or None if it is no answer to its task."""
    try:
        outcome = wire.decode_outcome(message)
    except ValueError:
        return None
    return outcome if work is not None and outcome.key == work.task.key else None


def _shorten_outputs(folder: Path) -> None:
    """Cut what tasks have printed: a search of weeks would fill the disk with progress bars."""
    for path in folder.glob("worker-*.log"):
        with contextlib.suppress(OSError):
            if path.stat().st_size > MOST_OUTPUT:
                os.truncate(path, 0)


def _where(output: Path | None) -> str:
    return "the terminal" if output is None else str(output)


def _require(name: str, value: float | None, least: float, most: float | None = None) -> None:
    if value is None or (value >= least and (most is None or value <= most)):
        return
    expected = f"{least:g} or more" if most is None else f"{least:g} to {most:g}"
    raise ConfigError(f"engine processes: {name}: expected {expected}, got {value}.")
