"""What a worker process does: take a task, run it, answer, until its run is gone."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection

from fulmen.engines import frames, wire
from fulmen.engines.running import TaskRunner

SIGNALS = (signal.SIGINT, signal.SIGTERM)  # what a terminal or a scheduler sends to a whole process group


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker behaves.

    Attributes:
        threads: How many threads torch may use in it.
        memory_mb: The memory of its own that it may take, MB; None for no limit.
        output: The file that takes what its tasks print; None: wherever the run prints.
        foreign: Connections of the run that a fork inherits and must not hold.
    """

    threads: int = 1
    memory_mb: int | None = None
    output: str | None = None
    foreign: tuple[Connection, ...] = ()


def serve(channel: Connection, lifeline: Connection, options: WorkerOptions) -> None:
    """Serve tasks from a channel until it is closed.

    Args:
        channel: Where tasks come from and answers go.
        lifeline: Reaches its end when the run is gone, however it went; the worker goes with it.
        options: How it behaves.
    """
    for connection in options.foreign:
        connection.close()
    _settle(options)
    threading.Thread(target=_die_with, args=(lifeline,), daemon=True).start()
    runner, reader = TaskRunner(), frames.Reader()
    descriptor = channel.fileno()
    frames.write_all(descriptor, frames.frame(b"ready"))
    while True:
        try:
            data = os.read(descriptor, 1 << 16)
        except ConnectionResetError:
            return
        if not data:
            return
        for message in reader.feed(data):
            answer = wire.encode_outcome(runner.run(wire.decode_task(message)))
            frames.write_all(descriptor, frames.frame(answer))
            sys.stdout.flush()


def _settle(options: WorkerOptions) -> None:
    os.setpgid(0, 0)  # so that one kill takes its data loaders too, and Ctrl-C is the run's alone
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # forgets one that came to the group that it was in until now
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # which the fork server does not hear
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    if options.output is not None:
        output = os.open(options.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        sys.stdout.flush()
        os.dup2(output, 1)
        os.dup2(output, 2)
    if options.memory_mb is not None:
        # What is beyond fails to be allocated, which a task can survive; the run watches the rest.
        limit = options.memory_mb * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(options.threads)


def _die_with(lifeline: Connection) -> None:
    with contextlib.suppress(OSError):
        os.read(lifeline.fileno(), 1)
    os.killpg(0, signal.SIGKILL)
