"""Functions run in fresh processes, which cost no import of Lightning each.

One process per test session imports Lightning and computes nothing; all others are forked from it, so
that each starts in a tenth of a second.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any

import pytest
import torch

TIMEOUT = 120.0  # seconds; a hang is a finding, not a reason to wait for ever


@dataclass
class _Rank:
    number: int
    process: Any
    answers: connection.Connection
    output: Path

    def failure(self, cause: str) -> str:
        printed = self.output.read_text(errors="replace")[-3000:] if self.output.exists() else ""
        return f"process {self.number}: {cause}\n--- what it printed ---\n{printed}"


def in_fresh_processes(
    function: Callable[..., Any], *arguments: Any, folder: Path, count: int = 1, timeout: float = TIMEOUT
) -> list[Any]:
    """Run a function in ``count`` processes at once and return what each returned, by rank.

    With more than one, each finds in its environment what Lightning's own launcher puts there, so that a
    Trainer with ``devices=count`` becomes one rank of a run. The first that fails ends all.

    Args:
        function: A module-level function; it returns tensors and plain data.
        arguments: Plain data.
        folder: Where what they print is kept.
        count: How many processes.
        timeout: Seconds after which they are killed and the test fails.
    """
    shared = {**os.environ, "OMP_NUM_THREADS": "1"}
    if count > 1:
        shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    ranks: list[_Rank] = []
    try:
        for number in range(count):
            own = {**shared, "LOCAL_RANK": str(number)} if count > 1 else shared
            ranks.append(_start(number, own, folder / f"process{number}.txt", function, arguments))
        answers = _gather(ranks, time.monotonic() + timeout)
    finally:
        for rank in ranks:
            rank.process.kill()
            rank.process.join()
            rank.answers.close()
    return [answers[number] for number in range(count)]


def _start(
    number: int, environment: Mapping[str, str], output: Path, function: Any, arguments: tuple[Any, ...]
) -> _Rank:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fulmen.testing.preloaded"])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_run, args=(sender, dict(environment), str(output), function, arguments), daemon=True
    )
    with _one_thread():
        process.start()
    sender.close()
    return _Rank(number, process, receiver, output)


def _gather(ranks: list[_Rank], deadline: float) -> dict[int, Any]:
    answers: dict[int, Any] = {}
    waiting = {rank.answers: rank for rank in ranks}
    while waiting:
        ready = connection.wait(list(waiting), timeout=max(0.0, deadline - time.monotonic()))
        if not ready:
            rank = next(iter(waiting.values()))
            pytest.fail(rank.failure("did not end in time"), pytrace=False)
        for receiver in ready:
            rank = waiting.pop(receiver)  # type: ignore[call-overload]
            answers[rank.number] = _answer(rank)
    return answers


def _answer(rank: _Rank) -> Any:
    try:
        content = rank.answers.recv_bytes()
    except EOFError:
        rank.process.join()
        pytest.fail(rank.failure(f"died, exit status {rank.process.exitcode}"), pytrace=False)
    try:
        answer = torch.load(io.BytesIO(content), weights_only=True)
    except Exception as error:
        pytest.fail(rank.failure(f"gave back what is not plain data: {error}"), pytrace=False)
    if "raised" in answer:
        pytest.fail(rank.failure(answer["raised"]), pytrace=False)
    return answer["returned"]


def _run(
    sender: connection.Connection, environment: dict[str, str], output: str, function: Any, arguments: Any
) -> None:
    """Live the life of one process."""
    os.environ.clear()
    os.environ.update(environment)
    with Path(output).open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(1)
    _tell_lightning_its_rank(int(environment.get("LOCAL_RANK", "0")))
    try:
        answer = {"returned": function(*arguments)}
    except BaseException:
        answer = {"raised": traceback.format_exc()}
    sys.stdout.flush()
    sys.stderr.flush()
    buffer = io.BytesIO()
    torch.save(answer, buffer)
    sender.send_bytes(buffer.getvalue())


def _tell_lightning_its_rank(rank: int) -> None:
    """Lightning reads its rank when it is imported, and here that happened before there was one."""
    from lightning.pytorch.utilities.rank_zero import rank_zero_only

    setattr(rank_zero_only, "rank", rank)  # noqa: B010 - an attribute of a function


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Set what the process that imports Lightning sees at its birth: only a first start makes it."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
