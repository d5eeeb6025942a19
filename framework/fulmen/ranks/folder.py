"""Where the ranks of one host leave word for each other: a private folder of small files.

``rank-1.json``   who rank 1 is, and whether it runs, is idle between two verbs, or has failed
``beat-1``        touched by rank 1 every half second
``speaker.json``  the process whose words the user sees
``verdict.json``  why the run ends; the first one stands
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fulmen.artifacts import write_artifact
from fulmen.errors import FulmenError, UserError
from fulmen.ranks.processes import ProcessId
from fulmen.ranks.verdicts import Verdict

State = Literal["running", "idle", "failed", "interrupted"]


@dataclass(frozen=True)
class Entry:
    """What a rank says of itself.

    Attributes:
        process: Its process.
        state: What it does.
        verb: The number of the verb that it is in, or was in last; the first is 1.
    """

    process: ProcessId
    state: State
    verb: int


class RankFolder:
    """The folder of one host's ranks.

    Args:
        path: Where it is; it must be this user's alone.
        fresh: Whether no earlier run can have left files in it.
    """

    def __init__(self, path: str | os.PathLike[str], fresh: bool = True) -> None:
        self.path = Path(path)
        self.fresh = fresh

    @classmethod
    def make(cls) -> RankFolder:
        """Make a new one, of a run whose processes this one starts."""
        folder = cls(tempfile.mkdtemp(prefix="fulmen-ranks-"))
        folder.set_speaker()
        return folder

    @classmethod
    def shared(cls, key: Sequence[object], fresh: bool) -> RankFolder:
        """Find or make the one of a run whose processes something else starts, by what they all know.

        Raises:
            UserError: something of another user's stands in its place.
        """
        owner = os.getuid()
        digest = hashlib.blake2b(repr((platform.node(), *key)).encode(), digest_size=8).hexdigest()
        path = Path(tempfile.gettempdir(), f"fulmen-ranks-{owner}-{digest}")
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
        if status.st_uid != owner or not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o077:
            raise UserError(f"{path}: not this user's private folder; remove it, or set TMPDIR to another.")
        return cls(path, fresh)

    def enter(self, rank: int, state: State, verb: int) -> None:
        """Say what a rank of this process does."""
        self.beat(rank)
        self._write(f"rank-{rank}.json", {**asdict(ProcessId.own()), "state": state, "verb": verb})

    def entry(self, rank: int) -> Entry | None:
        """Return what a rank last said, or None if it has not yet said anything."""
        found = self._read(f"rank-{rank}.json")
        if found is None:
            return None
        return Entry(ProcessId(found["pid"], found["started"]), found["state"], found["verb"])

    def beat(self, rank: int) -> None:
        """Show that a rank's process runs."""
        with contextlib.suppress(OSError):
            (self.path / f"beat-{rank}").touch()

    def last_beat(self, rank: int) -> float:
        """Return when a rank last showed that it runs, in seconds of the system's clock; 0 if never."""
        try:
            return (self.path / f"beat-{rank}").stat().st_mtime
        except OSError:
            return 0.0

    def set_speaker(self) -> None:
        """Make this process the one whose words the user sees."""
        self._write("speaker.json", asdict(ProcessId.own()))

    def speaker(self) -> ProcessId | None:
        """Return the process whose words the user sees, if it lives."""
        found = self._read("speaker.json")
        process = ProcessId(**found) if found else None
        return process if process and process.is_alive() else None

    def verdict(self) -> Verdict | None:
        """Return why the run ends, if it does."""
        found = self._read("verdict.json")
        return Verdict(**found) if found else None

    def pass_verdict(self, verdict: Verdict) -> Verdict:
        """Say why the run ends, unless another was first; return the one that stands."""
        name = f"verdict-{os.getpid()}.json"
        self._write(name, {**asdict(verdict), "author": os.getpid()})
        with contextlib.suppress(OSError):
            os.link(self.path / name, self.path / "verdict.json")
        return self.verdict() or verdict

    def claim(self, name: str) -> bool:
        """Whether this process is the first to do a thing that is done once."""
        try:
            (self.path / name).touch(exist_ok=False)
        except OSError:
            return False
        return True

    def remove(self) -> None:
        """Remove the folder; the run is over.

        It is renamed first: a rank that still beats would leave a file in what is being emptied, and with it
        the folder.
        """
        gone = self.path.with_name(f"{self.path.name}-{os.getpid()}")
        with contextlib.suppress(OSError):
            self.path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _write(self, name: str, content: dict[str, Any]) -> None:
        with contextlib.suppress(FulmenError):  # a full disk or a folder that is gone must not fail a run
            if self.path.is_dir():
                write_artifact(self.path / name, json.dumps(content))

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            content: dict[str, Any] = json.loads((self.path / name).read_text())
        except (OSError, ValueError):
            return None
        return content
