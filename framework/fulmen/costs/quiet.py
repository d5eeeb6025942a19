"""A quiet moment on this machine: nobody trains while somebody measures a time.

Two file locks, which a kill releases. Whoever trains holds ``room`` together with others and lets go of
it for an instant between batches; whoever measures takes ``gate``, so that nobody comes back in, and
then has ``room`` alone: it waits for a batch, not for a training.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


class Quiet:
    """The two locks of this machine and user.

    Args:
        folder: Where the lock files are; by default a folder of the user's in the machine's ``/tmp``.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is None:
            folder = Path(tempfile.gettempdir()) / f"fulmen-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise PermissionError(f"{folder}: belongs to somebody else; remove it or set TMPDIR.")
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._gate = os.open(folder / "gate.lock", flags, 0o600)
        self._room = os.open(folder / "room.lock", flags, 0o600)
        self._working = False

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Make noise inside, beside others who do."""
        self._enter()
        self._working = True
        try:
            yield
        finally:
            self._working = False
            fcntl.flock(self._room, fcntl.LOCK_UN)

    def breathe(self) -> None:
        """Let somebody measure now, if somebody wants to; called between batches, it takes microseconds."""
        if self._working:
            fcntl.flock(self._room, fcntl.LOCK_UN)
            self._enter()

    @contextlib.contextmanager
    def measuring(self) -> Iterator[None]:
        """Be alone inside. Not within `working`, which it would wait for."""
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._room, fcntl.LOCK_EX)
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)
            fcntl.flock(self._gate, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of everything."""
        os.close(self._gate)
        os.close(self._room)

    def _enter(self) -> None:
        fcntl.flock(self._gate, fcntl.LOCK_SH)
        fcntl.flock(self._room, fcntl.LOCK_SH)
        fcntl.flock(self._gate, fcntl.LOCK_UN)
