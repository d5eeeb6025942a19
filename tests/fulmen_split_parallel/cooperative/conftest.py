"""Ranks as threads of one process: what they do together needs no start of processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fulmen_split_parallel.cooperative.outbox import Outbox
from fulmen_split_parallel.cooperative.shared_memory import SharedMemoryTransport
from fulmen_split_parallel.cooperative.transport import NoPeers, Transport
from fulmen_split_parallel.graph.graph import Graph

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from small_graph import small_graph  # noqa: E402

Ranks = Callable[..., list[Any]]


@pytest.fixture
def ranks() -> Iterator[Ranks]:
    """``ranks(P, function, ...)`` lists what ``function(transports, ...)`` returns in P threads, a rank each.

    Each rank has two transports, as in a run: one to plan by, one for rows.
    """
    opened: list[SharedMemoryTransport] = []

    def run(size: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        pairs: list[list[Transport]] = [[] for _ in range(size)]
        for _ in range(2):
            boxes = [Outbox(size) for _ in range(size)]
            addresses = [box.address for box in boxes]
            for rank, box in enumerate(boxes):
                made = SharedMemoryTransport(box, rank, addresses, timeout=60)
                opened.append(made)
                pairs[rank].append(NoPeers() if size == 1 else made)
        with ThreadPoolExecutor(size) as pool:
            waiting = [pool.submit(function, pair, *arguments) for pair in pairs]
            return [future.result() for future in waiting]

    yield run
    for transport in opened:
        transport.close()


@pytest.fixture(scope="module")
def graph() -> Graph:
    return small_graph()
