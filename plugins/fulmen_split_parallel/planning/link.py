"""Measures an exchange of rows between two processes of this host, through shared memory.

Each side gathers rows into a shared buffer, raises a flag, waits for the other's and copies what it finds:
what the strategy's shared-memory transport does. A fit of two sizes gives alpha and beta.
"""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.shared_memory import SharedMemory

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.planning.errors import PlanError

WIDTH = 128  # float32 numbers in a row
SMALL, LARGE = 64, 32_768  # rows
ROUNDS = 15
PATIENCE = 60.0  # seconds; a process starts in about one

_HEAD = 128  # bytes: a flag for each side, each on a cache line of its own
_BOX = LARGE * WIDTH * 4


def measured_link() -> tuple[float, float]:
    """Return the latency in seconds and the bandwidth in bytes a second.

    Raises:
        PlanError: the second process did not answer.
    """
    memory = SharedMemory(create=True, size=_HEAD + 2 * _BOX)
    context = multiprocessing.get_context("spawn")
    peer = context.Process(target=_peer, args=(memory.name,), daemon=True)
    try:
        _buffer(memory)[:_HEAD] = bytes(_HEAD)
        peer.start()
        seconds = _exchange(memory, side=0)
    except (TimeoutError, OSError) as error:
        raise PlanError(
            f"rates: the link between two processes cannot be measured ({error}): give link_latency and "
            "link_bandwidth"
        ) from error
    finally:
        if peer.pid is not None:
            peer.join(5)
            if peer.is_alive():
                peer.terminate()
        memory.close()
        memory.unlink()
    small, large = (min(times) for times in seconds)  # other programs make exchanges slower, none faster
    slope = max((large - small) / ((LARGE - SMALL) * WIDTH * 4), 1e-15)
    return max(0.0, small - SMALL * WIDTH * 4 * slope), 1 / slope


def _peer(name: str) -> None:
    memory = SharedMemory(name=name)
    try:
        _exchange(memory, side=1)
    finally:
        memory.close()


def _exchange(memory: SharedMemory, side: int) -> list[list[float]]:
    """Return the seconds of each exchange, of small ones and of large ones."""
    flags: NDArray[np.int64] = np.frombuffer(_buffer(memory), np.int64, _HEAD // 8)
    boxes = np.frombuffer(_buffer(memory), np.float32, 2 * LARGE * WIDTH, _HEAD).reshape(2, LARGE, WIDTH)
    try:
        return _rounds(flags, boxes, side)
    finally:
        del flags, boxes  # or the memory cannot be closed


def _rounds(flags: NDArray[np.int64], boxes: NDArray[np.float32], side: int) -> list[list[float]]:
    random = np.random.default_rng(side)
    rows = random.random((2 * LARGE, WIDTH), np.float32)
    wanted = random.permutation(2 * LARGE)
    got = np.empty((LARGE, WIDTH), np.float32)
    mine, other = 8 * side, 8 * (1 - side)
    number = 0
    seconds: list[list[float]] = [[], []]
    for place, size in enumerate((SMALL, LARGE)):
        for _ in range(ROUNDS):
            number += 1
            _wait(flags, mine, other, number)  # begin together
            number += 1
            started = time.perf_counter()
            np.take(rows, wanted[:size], axis=0, out=boxes[side, :size], mode="clip")
            _wait(flags, mine, other, number)
            np.copyto(got[:size], boxes[1 - side, :size])
            seconds[place].append(time.perf_counter() - started)
    return seconds


def _buffer(memory: SharedMemory) -> memoryview:
    assert memory.buf is not None, "it is open"
    return memory.buf


def _wait(flags: NDArray[np.int64], mine: int, other: int, number: int) -> None:
    flags[mine] = number
    until = time.monotonic() + PATIENCE
    while flags[other] < number:
        if time.monotonic() > until:
            raise TimeoutError(f"no answer within {PATIENCE:.0f} s")
