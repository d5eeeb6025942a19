"""Which transports a group of ranks uses."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.distributed as dist

from fulmen_split_parallel.cooperative.collective import CollectiveTransport
from fulmen_split_parallel.cooperative.outbox import Address, Outbox
from fulmen_split_parallel.cooperative.peers import Process
from fulmen_split_parallel.cooperative.several_hosts import SeveralHostsTransport
from fulmen_split_parallel.cooperative.shared_memory import SharedMemoryTransport
from fulmen_split_parallel.cooperative.transport import NoPeers, Transport, gather

Kind = Literal["auto", "shm", "gloo", "nccl"]
KINDS = ("auto", "shm", "gloo", "nccl")


@dataclass(frozen=True)
class Transports:
    """The transports of a group of ranks: planning and computing go on at the same time.

    Attributes:
        ids: For planning.
        rows: For computing.
        kind: What rows go through, for people: ``none``, ``shm``, ``gloo``, ``nccl`` or ``shm and gloo``.
    """

    ids: Transport
    rows: Transport
    kind: str

    def close(self) -> None:
        """Let go of both."""
        self.ids.close()
        self.rows.close()


def open_transports(
    kind: Kind, groups: Sequence[Sequence[int]], device: torch.device, timeout: timedelta
) -> Transports:
    """Open the transports of this rank's group. Collective over all ranks of the run.

    Args:
        kind: ``auto``: shared memory between ranks of a host and gloo between hosts, or NCCL where rows are
            on GPUs. What is planned is never on a GPU, and goes as ``auto`` does on CPUs unless it is gloo.
        groups: The ranks of each group, which together are all ranks of the run.
        device: Where rows are.
        timeout: For which other ranks are waited for.

    Raises:
        ValueError: `kind` does not work here; one line that says why, the same at every rank.
    """
    rank = dist.get_rank() if dist.is_initialized() else 0
    (own,) = (list(group) for group in groups if rank in group)
    # Every rank takes part in making every group, its own or not.
    made = {}
    for use in ("ids", "rows"):
        for group in groups:
            if len(group) > 1:
                process_group = dist.new_group(list(group), timeout=timeout, backend="gloo")
                made[use, tuple(group)] = process_group
    if len(own) == 1:
        return Transports(NoPeers(), NoPeers(), "none")
    ids = CollectiveTransport(made["ids", tuple(own)])
    rows = CollectiveTransport(made["rows", tuple(own)])
    hosts = gather(ids, np.array([host_key()], np.int64))[:, 0]
    _check(kind, len(np.unique(hosts)), device)
    if kind == "nccl" or (kind == "auto" and device.type == "cuda"):
        return Transports(
            _on_this_host(ids, own, hosts, timeout), _nccl(groups, own, device, timeout), "nccl"
        )
    several = len(np.unique(hosts))
    if kind == "gloo" or not _has_shared_memory():
        return Transports(ids, rows, "gloo")
    through = "shm" if several == 1 else "shm and gloo" if several < len(own) else "gloo"
    return Transports(
        _on_this_host(ids, own, hosts, timeout), _on_this_host(rows, own, hosts, timeout), through
    )


def host_key() -> int:
    """Return a number that processes share if they can share memory: of a host, and of a container on it."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    space = Path("/proc/self/ns/pid")
    parts = (
        platform.node(),
        boot.read_text() if boot.exists() else "",
        str(space.stat().st_ino) if space.exists() else "",
    )
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "little")


def _check(kind: Kind, hosts: int, device: torch.device) -> None:
    if kind == "nccl" and device.type != "cuda":
        raise ValueError(
            f"transport: nccl moves rows between GPUs, and they are on {device}; use shm or gloo."
        )
    if kind == "shm" and not _has_shared_memory():
        raise ValueError(
            f"transport: shm needs Linux's memfd and /proc, and this is {sys.platform}; use gloo."
        )
    if kind == "shm" and hosts > 1:
        raise ValueError(
            f"transport: shm joins ranks of one host, and a group stands on {hosts}; use auto (shm within "
            "a host, gloo between) or a group_size that keeps groups on one host."
        )


def _has_shared_memory() -> bool:
    return hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir()


def _on_this_host(
    everyone: CollectiveTransport, own: Sequence[int], hosts: np.ndarray, timeout: timedelta
) -> Transport:
    """Return shared memory between those that share a host, and the collective between the rest."""
    if not _has_shared_memory():
        return everyone
    near = np.flatnonzero(hosts == hosts[everyone.rank]).tolist()
    outbox = Outbox(len(near))
    address = outbox.address
    numbers = [address.process.pid, address.process.started, address.file]
    # Also the barrier after which nobody opens an outbox that is not there yet.
    table = gather(everyone, np.array(numbers, np.int64)).tolist()
    addresses = [Address(Process(*table[place][:2]), table[place][2]) for place in near]
    names = [f"rank {own[place]}" for place in near]
    shared: Transport = NoPeers()
    if len(near) > 1:
        place = near.index(everyone.rank)
        shared = SharedMemoryTransport(outbox, place, addresses, names, timeout.total_seconds())
    else:
        outbox.close()
    if len(near) == everyone.size:
        return shared
    return SeveralHostsTransport(shared, near, everyone) if len(near) > 1 else everyone


def _nccl(
    groups: Sequence[Sequence[int]], own: Sequence[int], device: torch.device, timeout: timedelta
) -> Transport:
    for group in groups:
        process_group = dist.new_group(list(group), timeout=timeout, backend="nccl")
        if list(group) == list(own):
            found = process_group
    return CollectiveTransport(found, device)
