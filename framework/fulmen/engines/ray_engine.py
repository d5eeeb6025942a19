"""The engine that runs tasks on the machines of a Ray cluster.

On each machine there is one actor of Ray's, which keeps worker processes as the engine `processes` does. The
run asks each of them again and again what has finished; one that does not answer for a while is given up,
whether its process died, its machine, or the line to it, and its tasks are tried elsewhere.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fulmen.engines import wire
from fulmen.engines.ray_cluster import Cluster, Node, require_ray
from fulmen.engines.ray_host import RayHost
from fulmen.errors import ConfigError, FulmenError
from fulmen.searching import Engine, Outcome, Task

log = logging.getLogger(__name__)

TICK = 0.2  # seconds between two looks at what has not answered
LOOK = 5.0  # seconds between two looks for new machines
SHORT, LONG = 0.1, 1.0  # seconds that a machine with room, and one without, waits for an outcome
UP = 300.0  # seconds for a machine to come up: it imports Lightning, perhaps from a slow disk
FAILED_STARTS = 3
_TRIED_AGAIN = ("crash", "timeout")
_PASSED_ON = ("FULMEN_", "PL_GLOBAL_SEED")


@dataclass
class _Tried:
    task: Task
    text: bytes
    tries: int = 0


@dataclass
class _Host:
    node: Node
    slots: int
    actor: Any
    question: Any  # what it has been asked and has not answered: a reference of Ray's, or None
    since: float  # when it was first asked what it has not answered
    answered: bool = False
    name: str = ""  # empty until it is up
    given: dict[int, _Tried] = field(default_factory=dict)
    stale: bool = False  # it has yet to hear that something is no longer wanted


class RayEngine(Engine):
    """Runs tasks in worker processes on the machines of a Ray cluster, or on this one.

    A worker that dies, hangs or answers garbage costs its task one more try, on any machine; so does a
    machine that is lost. All machines need fulmen and the data at the same paths, and a folder for the run
    that they share.

    Args:
        address: ``auto`` or ``HOST:PORT`` of a cluster that is there; None: begin one on this machine, which
            nothing outside can reach.
        workers: How many, over all machines; None: one per core that Ray knows of.
        threads: Threads of torch in each.
        timeout_s: Seconds that a task may take; None: no limit.
        memory_mb: Memory of its own that a worker may take, MB; None: no limit.
        tasks_per_worker: After so many a worker is replaced.
        retries: How often a task is tried again after its worker died or hung, or its machine was lost.
        lost_after_s: Seconds after which a machine that does not answer is lost.

    Raises:
        ConfigError: a number makes no sense, or the address is one of Ray's client.
        UserError: Ray is not installed.
    """

    def __init__(
        self,
        address: str | None = None,
        workers: int | None = None,
        threads: int = 1,
        timeout_s: float | None = None,
        memory_mb: int | None = None,
        tasks_per_worker: int = 100,
        retries: int = 1,
        lost_after_s: float = 30.0,
    ) -> None:
        _require("workers", workers, 1, 100_000)
        _require("threads", threads, 1, 1024)
        _require("timeout_s", timeout_s, 0.01)
        _require("memory_mb", memory_mb, 64)
        _require("tasks_per_worker", tasks_per_worker, 1)
        _require("retries", retries, 0, 100)
        _require("lost_after_s", lost_after_s, 1)
        if address is not None and "://" in address:
            raise ConfigError(
                f"engine ray: address: expected auto or HOST:PORT, got {address}; run fulmen on a machine of "
                "the cluster."
            )
        require_ray()
        self.address, self.workers, self.threads = address, workers, threads
        self.retries, self.lost_after_s = retries, lost_after_s
        self._options = {
            "threads": threads,
            "timeout_s": timeout_s,
            "memory_mb": memory_mb,
            "tasks_per_worker": tasks_per_worker,
        }
        self._cluster: Cluster | None = None
        self._waiting: deque[_Tried] = deque()
        self._hosts: dict[str, _Host] = {}
        self._names: set[str] = set()
        self._looked = -LOOK
        self._number = 0
        self._failed_starts = 0
        self._warned = False

    @property
    def slots(self) -> int:
        """As many as workers on the machines that are up; before any is, on those that may come up."""
        self._look_for_hosts()
        up = [host for host in self._hosts.values() if host.name]
        return max(1, sum(host.slots for host in up or self._hosts.values()))

    @property
    def hosts(self) -> list[str]:
        """The names of the machines that are up."""
        return [host.name for host in self._hosts.values() if host.name]

    def submit(self, task: Task) -> None:
        """Put a task at the end of the queue.

        Raises:
            TypeError: its arguments are no plain data.
        """
        self._waiting.append(_Tried(task, wire.encode_task(task)))

    def poll(self, timeout: float) -> list[Outcome]:
        """Return what has finished, waiting at most ``timeout`` seconds for the first."""
        end = time.monotonic() + timeout
        while self._waiting or any(host.given for host in self._hosts.values()):
            self._look_for_hosts()
            outcomes = [outcome for host in list(self._hosts.values()) for outcome in self._look_at(host)]
            self._hand_out()
            for host in list(self._hosts.values()):
                self._ask(host)
            left = end - time.monotonic()
            if outcomes or left <= 0:
                return outcomes
            self._wait(min(left, TICK))
        return []

    def cancel(self, key: str) -> None:
        """Drop a task that has not finished; a worker that runs it is killed when its machine hears of it."""
        self._waiting = deque(tried for tried in self._waiting if tried.task.key != key)
        for host in self._hosts.values():
            for number in [n for n, tried in host.given.items() if tried.task.key == key]:
                del host.given[number]
                host.stale = True

    def close(self) -> None:
        """End the workers, drop what waits, leave the cluster."""
        self._waiting.clear()
        if self._cluster is not None:
            for host in self._hosts.values():
                self._cluster.ray.kill(host.actor)
            self._hosts.clear()
            self._cluster.close()
            self._cluster, self._looked = None, -LOOK

    # The machines.

    @property
    def _ray(self) -> Any:
        assert self._cluster is not None
        return self._cluster.ray

    def _look_for_hosts(self) -> None:
        """Begin an actor on each machine that has none and is wanted; machines may come at any time."""
        if time.monotonic() - self._looked < LOOK:
            return
        if self._cluster is None:
            own = self.workers * self.threads if self.workers else len(os.sched_getaffinity(0))
            self._cluster = Cluster(self.address, own)
        self._looked = time.monotonic()
        try:
            nodes = self._cluster.nodes()
        except Exception as error:  # whatever Ray says then
            raise FulmenError(
                f"engine ray: the cluster does not answer ({_said(error)}); "
                "the same command goes on when it does."
            ) from error
        if not nodes and not self._hosts:
            raise FulmenError(f"engine ray: no machine of the cluster at {self.address} has a core to give.")
        for node in nodes:
            room = node.cores // self.threads or 1
            if self.workers is not None:
                room = min(room, self.workers - sum(host.slots for host in self._hosts.values()))
            if node.id not in self._hosts and room > 0:
                self._hosts[node.id] = self._begin(node, room)

    def _begin(self, node: Node, slots: int) -> _Host:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # It takes the machine's cores and accelerators, so that nobody else of the cluster is given them.
        actor_class = self._ray.remote(RayHost).options(
            num_cpus=min(node.cores, slots * self.threads),
            num_gpus=node.accelerators,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
        )
        actor = actor_class.remote(
            {**self._options, "workers": slots},
            str(Path.cwd()),
            list(sys.path),
            {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)},
            None if self.output is None else str(self.output.absolute()),
        )
        return _Host(node, slots, actor, actor.hello.remote(), time.monotonic())

    def _look_at(self, host: _Host) -> list[Outcome]:
        """Take in what a machine has answered; give up one that has not for too long."""
        if host.question is not None and self._ray.wait([host.question], timeout=0)[0]:
            return self._take_in(host)
        silent = time.monotonic() - host.since
        if host.question is not None and silent > (self.lost_after_s if host.name else UP):
            return self._lost(host, f"has not answered for {silent:.0f} s")
        return []

    def _take_in(self, host: _Host) -> list[Outcome]:
        question, host.question = host.question, None
        unavailable = getattr(self._ray.exceptions, "ActorUnavailableError", ())
        try:
            answer = self._ray.get(question)
        except self._ray.exceptions.RayTaskError as error:
            raise FulmenError(
                f"engine ray: {host.name or host.node.address}: {_said(error.cause)}"
            ) from error
        except unavailable:
            time.sleep(SHORT)  # it is asked again until it has been silent for too long
            if not host.name:
                host.question = host.actor.hello.remote()
            return []
        except self._ray.exceptions.RayError as error:
            return self._lost(host, f"is gone ({_said(error)})")
        host.answered = True
        if not host.name:
            host.name = str(answer)
            self._names.add(host.name)
            self._failed_starts = 0
            return []
        outcomes = []
        for number, text in answer:
            tried = host.given.pop(number, None)
            if tried is not None:  # else it was cancelled, or has been told
                host.stale = True
                outcomes += self._finished(host, tried, wire.decode_outcome(text))
        return outcomes

    def _hand_out(self) -> None:
        """Give what waits to the machines with the most room."""
        while self._waiting:
            open_ = [host for host in self._hosts.values() if host.name and len(host.given) < host.slots]
            if not open_:
                self._warn_of_waiting()
                return
            host = max(open_, key=lambda one: one.slots - len(one.given))
            tried = self._waiting.popleft()
            tried.tries += 1
            self._number += 1
            host.given[self._number] = tried

    def _ask(self, host: _Host) -> None:
        if host.question is not None or not host.name or not (host.given or host.stale):
            return
        if host.answered:
            host.since, host.answered = time.monotonic(), False
        host.stale = False
        wanted = {number: tried.text for number, tried in host.given.items()}
        host.question = host.actor.exchange.remote(wanted, LONG if len(wanted) >= host.slots else SHORT)

    def _wait(self, seconds: float) -> None:
        questions = [host.question for host in self._hosts.values() if host.question is not None]
        if questions:
            self._ray.wait(questions, num_returns=1, timeout=seconds)
        else:
            time.sleep(seconds)

    def _warn_of_waiting(self) -> None:
        waiting = [time.monotonic() - host.since for host in self._hosts.values() if not host.name]
        if not self._warned and waiting and max(waiting) > 60 and not self.hosts:
            log.warning("engine ray: waits for a machine; perhaps others use all cores of the cluster.")
            self._warned = True

    # The tasks.

    def _finished(self, host: _Host, tried: _Tried, outcome: Outcome) -> list[Outcome]:
        if outcome.status in _TRIED_AGAIN:
            return self._failed(tried, dataclasses.replace(outcome, failure=self._at(host, outcome.failure)))
        if outcome.failure is None:
            return [outcome]
        error = outcome.error
        if error is not None:
            error = type(error)(self._at(host, str(error)))
        return [dataclasses.replace(outcome, failure=self._at(host, outcome.failure), error=error)]

    def _lost(self, host: _Host, why: str) -> list[Outcome]:
        """Give up a machine; should it come back, it begins anew."""
        del self._hosts[host.node.id]
        self._ray.kill(host.actor)
        where = f"its machine {host.name or host.node.address} {why}"
        if not host.name:
            self._failed_starts += 1
            if self._failed_starts > FAILED_STARTS:
                raise FulmenError(f"engine ray: no machine comes up ({where.removeprefix('its machine ')}).")
        seconds = time.monotonic() - host.since
        return [
            outcome
            for tried in host.given.values()
            for outcome in self._failed(tried, Outcome(tried.task.key, None, where, "crash", seconds))
        ]

    def _failed(self, tried: _Tried, outcome: Outcome) -> list[Outcome]:
        """Try a task once more, first of all, or return its failure."""
        if tried.tries <= self.retries:
            log.warning("task %s: %s; it is tried again.", tried.task.key, outcome.failure)
            self._waiting.appendleft(tried)
            return []
        times = f", {tried.tries} times" if tried.tries > 1 else ""
        return [dataclasses.replace(outcome, failure=f"{outcome.failure}{times}")]

    def _at(self, host: _Host, said: str | None) -> str:
        """Return a message that names its machine, where there is more than one."""
        return f"on {host.name}: {said}" if len(self._names) > 1 else str(said)


def _said(error: BaseException) -> str:
    """Return the line of a message that says most: the first, or of a traceback in it the last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if any(line.startswith("File ") for line in lines) else lines[0]


def _require(name: str, value: float | None, least: float, most: float | None = None) -> None:
    if value is None or (value >= least and (most is None or value <= most)):
        return
    expected = f"{least:g} or more" if most is None else f"{least:g} to {most:g}"
    raise ConfigError(f"engine ray: {name}: expected {expected}, got {value}.")
