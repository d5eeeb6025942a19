"""Notices when another host is gone: a cable that is cut sends no word, and a collective would wait for
hours.

The first process of each host keeps a connection to rank 0, on which both sides say every other second that
they are there. One that closes without a word, or is silent for too long, ends the process: its main thread
waits in a collective, where no exception reaches it.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable

BEAT = 2.0  # seconds between two beats
SILENCE = 30.0  # seconds of silence after which a host is taken for gone; FULMEN_RANK_TIMEOUT sets them, too
_HERE, _BYE = b".", b"q"


class Link(threading.Thread):
    """One connection to a peer, watched until either side says that it is done.

    Args:
        connection: To the peer.
        peer: What messages call it, for example ``rank 1 on host-b``.
        lost: Called, once, with what happened; by default ends this process with status 1.
    """

    def __init__(
        self, connection: socket.socket, peer: str, lost: Callable[[str], None] | None = None
    ) -> None:
        super().__init__(name="fulmen-link", daemon=True)
        self.connection, self.peer = connection, peer
        self._lost = lost or _end
        self._done = threading.Event()
        self._silence = float(os.environ.get("FULMEN_RANK_TIMEOUT", SILENCE)) + BEAT
        connection.setblocking(False)

    def run(self) -> None:
        """Beat and listen."""
        heard, beaten = time.monotonic(), 0.0
        while not self._done.is_set():
            now = time.monotonic()
            if now - beaten >= BEAT:
                beaten = now
                if not self._say(_HERE):
                    return
            if select.select([self.connection], [], [], 0.2)[0]:
                try:
                    word = self.connection.recv(64)
                except OSError as error:
                    self._lose(f"the connection broke ({error.strerror})")
                    return
                if _BYE in word:
                    return
                if not word:
                    self._lose("its process ended without a word")
                    return
                heard = time.monotonic()
            if time.monotonic() - heard > self._silence:
                silent = f"nothing was heard of it for {self._silence:.0f} s"
                self._lose(f"{silent}: its host is gone, or the way to it is cut")
                return

    def close(self) -> None:
        """Say that this side is done."""
        self._done.set()
        with contextlib.suppress(OSError):
            self.connection.send(_BYE)
        self.connection.close()

    def _say(self, word: bytes) -> bool:
        try:
            self.connection.send(word)
        except BlockingIOError:
            return True  # what was said before still stands in the buffer: silence will tell
        except OSError as error:
            self._lose(f"the connection broke ({error.strerror})")
            return False
        return True

    def _lose(self, how: str) -> None:
        if not self._done.is_set():
            self._lost(f"split_parallel: {self.peer}: {how}; the run is ended.")


def listen(address: str) -> socket.socket:
    """Return a socket that listens on an address of this host, or on all if it is none of this host's."""
    listener = socket.socket()
    try:
        listener.bind((socket.gethostbyname(address), 0))
    except OSError:
        listener.bind(("", 0))
    listener.listen()
    return listener


def accept(listener: socket.socket, names: dict[int, str], timeout: float = 60.0) -> list[Link]:
    """Return a watched link to each of the ranks that are expected, once all have come.

    Raises:
        ConnectionError: one did not come.
    """
    links: dict[int, Link] = {}
    listener.settimeout(timeout)
    while len(links) < len(names):
        try:
            connection, _ = listener.accept()
            connection.settimeout(timeout)
            rank = int.from_bytes(connection.recv(4), "big")
        except OSError:
            missing = ", ".join(name for rank, name in names.items() if rank not in links)
            raise ConnectionError(f"split_parallel: connection refused: {missing} did not come.") from None
        if rank in names:
            links[rank] = Link(connection, names[rank])
    listener.close()
    for link in links.values():
        link.start()
    return list(links.values())


def connect(address: str, port: int, rank: int, peer: str, timeout: float = 60.0) -> Link:
    """Return a watched link from this rank to rank 0, which listens.

    Raises:
        ConnectionError: it cannot be reached.
    """
    connection = socket.create_connection((address, port), timeout)
    connection.sendall(rank.to_bytes(4, "big"))
    link = Link(connection, peer)
    link.start()
    return link


def _end(line: str) -> None:
    with contextlib.suppress(Exception):
        sys.stderr.write(f"\n{line}\n")
        sys.stderr.flush()
    os._exit(1)
