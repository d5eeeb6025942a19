"""Ranks as threads of one process: what they do together needs no start of processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fulmen_split_parallel.cooperative.outbox import Outbox
from fulmen_split_parallel.cooperative.shared_memory import SharedMemoryTransport
from fulmen_split_parallel.cooperative.transport import NoPeers, Transport
from fulmen_split_parallel.graph.graph import Graph

sys.path.insert(0, str(Path(__file__).parent))

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
    """300 vertices, isolated ones among them, weighted edges, 5 classes."""
    draw = np.random.default_rng(3)
    degrees = draw.integers(0, 12, 300)
    degrees[::29] = 0
    indptr = np.concatenate([[0], np.cumsum(degrees)])
    lists = [draw.choice(300, degree, replace=False) for degree in degrees]
    return Graph(
        indptr=indptr.astype(np.int64),
        indices=np.concatenate(lists).astype(np.int32),
        features=draw.standard_normal((300, 12)).astype(np.float32),
        labels=draw.integers(0, 5, 300),
        train_idx=draw.permutation(300)[:120].astype(np.int64),
        valid_idx=np.arange(120, 200),
        test_idx=np.arange(200, 300),
        edge_weight=draw.random(int(indptr[-1])).astype(np.float32),
    )
