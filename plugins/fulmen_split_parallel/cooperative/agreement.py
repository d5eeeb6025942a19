"""What all ranks must have alike is compared before any of them relies on it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from datetime import timedelta
from typing import Self, TypeVar

import numpy as np
import torch.distributed as dist

from fulmen_split_parallel.cooperative.collective import CollectiveTransport
from fulmen_split_parallel.cooperative.links import Link, accept, connect, listen
from fulmen_split_parallel.cooperative.opening import host_key
from fulmen_split_parallel.cooperative.transport import NoPeers, Transport, gather
from fulmen_split_parallel.graph.graph import Graph

Made = TypeVar("Made")

_NAME = 32  # bytes of a host's name that are compared and shown
_SAMPLED_ROWS = 1000


class Agreement:
    """Compares what ranks have, over all ranks of the run.

    Args:
        transport: Between all of them.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    @classmethod
    def of_all_ranks(cls, timeout: timedelta) -> Self:
        """Join all ranks of the run. Collective."""
        if not dist.is_initialized() or dist.get_world_size() == 1:
            return cls(NoPeers())
        return cls(CollectiveTransport(dist.new_group(timeout=timeout, backend="gloo")))

    def require_same(self, what: str, digest: str, remedy: str) -> None:
        """Refuse what differs between ranks. Collective.

        Args:
            what: What is compared.
            digest: This rank's, hexadecimal, up to 32 digits.
            remedy: What to do about it.

        Raises:
            DisagreementError: at every rank: the first rank that has another than rank 0, and both hosts.
        """
        host = platform.node().encode()[:_NAME].ljust(_NAME, b" ")
        own = np.frombuffer(bytes.fromhex(digest.rjust(32, "0")) + host, np.int64)
        everyones = gather(self.transport, own)
        for rank, theirs in enumerate(everyones):
            if (theirs[:2] != everyones[0, :2]).any():
                first, other = (_shown(row.tobytes()) for row in (everyones[0], theirs))
                raise DisagreementError(f"{what} differ: rank 0 {first}, rank {rank} {other}; {remedy}")

    def link_hosts(self, address: str) -> list[Link]:
        """Watch the ways between hosts, where there are several. Collective.

        Args:
            address: Of rank 0's host, where all others reach it.
        """
        rank = self.transport.rank
        host = platform.node().encode()[:_NAME].ljust(_NAME, b" ")
        name = np.frombuffer(host, np.int64)
        hosts = gather(self.transport, np.array([host_key(), *name], np.int64))
        names = {other: f"rank {other} on {_host(row[1:].tobytes())}" for other, row in enumerate(hosts)}
        firsts = [int(np.flatnonzero(hosts[:, 0] == key)[0]) for key in np.unique(hosts[:, 0])]
        if len(firsts) == 1:
            return []
        listener = listen(address) if rank == 0 else None
        port = listener.getsockname()[1] if listener else 0
        port = int(gather(self.transport, np.array([port], np.int64))[0, 0])
        if listener is not None:
            return accept(listener, {first: names[first] for first in firsts if first})
        return [connect(address, port, rank, names[0])] if rank in firsts else []

    def first_of_each_host(self, make: Callable[[], Made], is_first: bool) -> Made:
        """Return what `make` gives, called by the first rank of each host before it is by others. Collective.

        An error of the first ranks ends the run; the others learn of it rather than wait.

        Raises:
            DisagreementError: at another rank than the one whose `make` raised.
        """
        made: list[Made] = []
        error: Exception | None = None
        if is_first:
            try:
                made.append(make())
            except Exception as raised:
                error = raised
        failed = gather(self.transport, np.array([error is not None], np.int64))[:, 0]
        if error is not None:
            raise error
        if failed.any():
            rank = int(np.flatnonzero(failed)[0])
            raise DisagreementError(f"rank {rank} could not go on; what it said stands above or below")
        return made[0] if made else make()


class DisagreementError(Exception):
    """Ranks differ in what they must have alike; one line, without a full stop."""


def digest_of_data(graph: Graph) -> str:
    """A name of a graph with its features, labels and splits, 32 hexadecimal digits.

    Of the features, a thousand rows have a part in it: they may be larger than the memory.
    """
    digest = hashlib.blake2b(graph.fingerprint().encode(), digest_size=16)
    for array in (graph.labels, graph.train_idx, graph.valid_idx, graph.test_idx):
        digest.update(np.ascontiguousarray(array).tobytes())
    rows = np.linspace(0, graph.num_vertices - 1, min(_SAMPLED_ROWS, graph.num_vertices)).astype(np.int64)
    digest.update(f"{graph.features.shape} {graph.features.dtype}".encode())
    digest.update(np.ascontiguousarray(graph.features[rows]).tobytes())
    if graph.edge_weight is not None and len(graph.edge_weight):
        places = np.linspace(0, len(graph.edge_weight) - 1, _SAMPLED_ROWS).astype(np.int64)
        digest.update(np.ascontiguousarray(graph.edge_weight[places]).tobytes())
    return digest.hexdigest()


def _shown(row: bytes) -> str:
    return f"on {_host(row[16:])} has {row[:16].hex()[:12]}"


def _host(name: bytes) -> str:
    return name.decode(errors="replace").strip()
