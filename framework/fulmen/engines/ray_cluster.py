"""The cluster of Ray's that the engine works on: one of its own on the loopback, or one that is there."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fulmen.errors import UserError

STORE_BYTES = 80 << 20  # of shared memory, the least that Ray takes: what crosses is small


@dataclass(frozen=True)
class Node:
    """A machine of the cluster that can work: Ray's name for it, its address, its cores and accelerators."""

    id: str
    address: str
    cores: int
    accelerators: float


class Cluster:
    """A connection to a cluster, and its end.

    A cluster of our own listens on the loopback alone, asks for a token that is made for this run, shows no
    dashboard and tells nobody that it is used.

    Args:
        address: ``HOST:PORT`` or ``auto`` of a cluster that is there; None: begin one on this machine.
        cores: How many tasks a cluster of our own has room for.

    Raises:
        UserError: Ray is not installed, or there is no such cluster.
    """

    def __init__(self, address: str | None, cores: int) -> None:
        require_ray()
        self.ray: Any = importlib.import_module("ray")
        self._folder: str | None = None
        self._ours = not self.ray.is_initialized()
        if not self._ours:
            return  # whoever began it ends it
        quiet = {"logging_level": "ERROR", "log_to_driver": False}
        if address is None:
            self._folder = tempfile.mkdtemp(prefix="fulmen-ray-")  # mode 0700
            with _alone():
                self.ray.init(
                    address="local",
                    num_cpus=cores,
                    include_dashboard=False,
                    object_store_memory=STORE_BYTES,
                    _temp_dir=self._folder,
                    # The limit of memory is the engine's own.
                    _system_config={"memory_monitor_refresh_ms": 0},
                    **quiet,
                )
            return
        _require_answer(address)
        try:
            with _environment(RAY_USAGE_STATS_ENABLED="0"):
                self.ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UserError(
                f"engine ray: there is no cluster at {address} ({said}); begin one with `ray start --head`, "
                "or leave out address to use this machine alone."
            ) from error

    def nodes(self) -> list[Node]:
        """Return the machines that are alive and have cores."""
        found = []
        for node in self.ray.nodes():
            resources = node["Resources"]
            if node["Alive"] and resources.get("CPU", 0) >= 1:
                cores, accelerators = int(resources["CPU"]), float(resources.get("GPU", 0))
                found.append(Node(node["NodeID"], node["NodeManagerAddress"], cores, accelerators))
        return found

    def close(self) -> None:
        """Leave the cluster, and end it if it is our own."""
        if self._ours:
            self.ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def require_ray() -> None:
    """Refuse to go on without Ray.

    Raises:
        UserError: it is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError("engine ray needs the extra 'ray': pip install 'fulmen[ray]'")


def _require_answer(address: str) -> None:
    """Refuse an address where nothing answers: Ray tries it for ever, and says so in lines of its own.

    Raises:
        UserError: names it.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():  # auto, ray://..., what Ray itself understands
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise UserError(
            f"engine ray: there is no cluster at {address} ({error.strerror or error}); begin one with "
            "`ray start --head`, or leave out address to use this machine alone."
        ) from error


_TOKEN = secrets.token_hex(32)  # Ray reads it once for a process, however many clusters that begins


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Let what Ray begins meanwhile listen on the loopback alone, and refuse whoever lacks our token.

    Ray gives its processes the address of the machine that others see, even where it is given 127.0.0.1;
    but for the systems on which it serves one machine only, which a variable of its own makes of any. Without
    a token of ours it would leave one in the user's home.
    """
    constants: Any = importlib.import_module("ray._private.ray_constants")
    before = constants.ENABLE_RAY_CLUSTER
    constants.ENABLE_RAY_CLUSTER = False  # for this process; the variable is for those that it begins
    chosen = os.environ.get("RAY_AUTH_MODE")
    token = {} if chosen is not None else {"RAY_AUTH_TOKEN": _TOKEN}
    alone = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    try:
        with _environment(**alone, **token, RAY_AUTH_MODE=chosen):
            yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


@contextlib.contextmanager
def _environment(**values: str | None) -> Iterator[None]:
    """Set variables, and afterwards leave all of them as they were, changed or not."""
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
