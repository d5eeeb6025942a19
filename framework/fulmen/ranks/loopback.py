"""A run on one host listens on the loopback alone.

Left to themselves, torch's rendezvous listens on every interface, without authentication, and gloo
on the one that the host's name resolves to.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import torch.distributed
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment

from fulmen.errors import UserError

_LOOPBACK = {"127.0.0.1", "localhost"}
_INTERFACE = "lo" if sys.platform == "linux" else "lo0"
_INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
# The name by which torch's elastic agent says that it serves the store, so that every rank is a client.
_STORE_IS_SERVED = "TORCHELASTIC_USE_AGENT_STORE"


@contextlib.contextmanager
def on_loopback(environment: ClusterEnvironment, one_host: bool, serves: bool) -> Iterator[None]:
    """Keep what is set up in this block, and in processes started in it, on the loopback.

    Args:
        environment: Where Lightning finds the address and the port of the rendezvous.
        one_host: Whether all processes of the run are on this host; else nothing is done.
        serves: Whether this process serves the rendezvous.

    Raises:
        UserError: the port of the rendezvous is taken.
    """
    if not one_host or torch.distributed.is_initialized():
        yield
        return
    names = (*_INTERFACES, _STORE_IS_SERVED)
    before = {name: os.environ.get(name) for name in names}
    for name in _INTERFACES:
        os.environ.setdefault(name, _INTERFACE)
    store = None
    if isinstance(environment, LightningEnvironment) and environment.main_address in _LOOPBACK:
        store = _serve(environment.main_port) if serves else None
        os.environ[_STORE_IS_SERVED] = str(True)
    try:
        yield
    finally:
        for name, value in before.items():
            _restore(name, value)
        if torch.distributed.is_initialized():
            _kept.append(store)


_kept: list[Any] = []  # the store of a process group that lives on


def _serve(port: int) -> Any:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise UserError(
            f"MASTER_PORT: {port} cannot be used for the processes of this run to meet ({error.strerror}); "
            "unset MASTER_PORT to have a free one chosen."
        ) from error
    listener.listen(socket.SOMAXCONN)
    return torch.distributed.TCPStore(
        "127.0.0.1",
        port,
        is_master=True,
        wait_for_workers=False,
        master_listen_fd=listener.detach(),
        timeout=timedelta(minutes=30),
    )


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
