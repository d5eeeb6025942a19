"""Run directories: where ``analyze`` and ``search`` keep what they do, so that it can go on."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from fulmen.artifacts import make_folder, require_writable, write_artifact
from fulmen.errors import UserError

RUNS = Path("runs")
_STATUS, _LOCK, _CONFIG, _LOG = "status.json", ".lock", "config.yaml", "log.txt"
_SHOWN_ONLY = {"enable_progress_bar", "enable_model_summary"}  # of a trainer's options

_locks: set[int] = set()
log = logging.getLogger(__name__)


class RunDirectory:
    """The folder of one run, locked while the run goes on.

    Attributes:
        path: The folder.
        resumed: Whether an unfinished run is continued.
    """

    def __init__(
        self, path: Path, descriptor: int, found: str | None, before: frozenset[str] | None = None
    ) -> None:
        self.path = path
        self.resumed = found is not None
        self._descriptor = descriptor
        self._found = found  # the state of a run that is continued
        self._before = before  # what was in the folder of a new one; None: it was made
        self._ended = False

    def finish(self, state: str = "done") -> None:
        """Mark the run as done, so that the same command will not touch it again; or as ``stopped``."""
        self.mark(state)
        self._ended = True

    def mark(self, state: str) -> None:
        """Write down whether the run is ``running``, ``interrupted``, ``stopped`` or ``done``."""
        status = json.loads((self.path / _STATUS).read_text())
        write_artifact(self.path / _STATUS, json.dumps({**status, "state": state}, indent=1))

    @contextlib.contextmanager
    def logging(self) -> Iterator[None]:
        """Copy what fulmen logs into the run's log file."""
        handler = logging.FileHandler(self.path / _LOG)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger = logging.getLogger("fulmen")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            handler.close()

    @property
    def has_work(self) -> bool:
        """Whether there is anything in the folder but what every run begins with."""
        own = {_STATUS, _LOCK, _CONFIG, _LOG}
        return any(path.is_file() and path.name not in own for path in self.path.rglob("*"))

    def forget(self) -> None:
        """Leave the folder as it was found: a run that was refused at once leaves no trace."""
        if self._found is not None:
            self.finish("interrupted" if self._found == "running" else self._found)
            return
        for entry in list(self.path.iterdir()):
            if entry.name not in (self._before or ()):
                # A worker may be writing its last line.
                shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
        if self._before is None:
            shutil.rmtree(self.path, ignore_errors=True)

    def close(self) -> None:
        """Unlock the folder; a run that has not finished is marked as interrupted."""
        if not self._ended and (self.path / _STATUS).exists():
            with contextlib.suppress(OSError):  # a full disk: the lock tells that nobody works on it
                self.mark("interrupted")
        _locks.discard(self._descriptor)
        os.close(self._descriptor)


def open_run(
    verb: str,
    identity: Mapping[str, Any],
    path: str | os.PathLike[str] | None = None,
    fresh: bool = False,
    *,
    shown: Mapping[str, Any] | None = None,
    extend: bool = False,
) -> RunDirectory:
    """Open the folder of a run: go on with an unfinished one, or start a new one.

    Args:
        verb: ``analyze`` or ``search``.
        identity: All that decides the result (resolved config, digests of the files read), plain
            data.
        path: The folder; by default ``runs/<verb>-<digest of identity>``. A finished run is never
            touched: a new one gets the next number, ``<path>-2``.
        fresh: Start anew even if there is an unfinished run; that one is left where it is.
        shown: What ``config.yaml`` holds: by default the identity; without secrets where it has any.
        extend: Go on with a finished run too, if it is of the same identity.

    Raises:
        UserError: the folder cannot be written, is in use by another process, holds something else,
            or holds an unfinished run of another config.
    """
    digest = digest_of(identity)
    base = Path(path) if path is not None else RUNS / f"{verb}-{digest}"
    number, held = 1, ""
    config = yaml.safe_dump(dict(identity if shown is None else shown), sort_keys=False)
    while True:
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        number += 1
        state = _state(folder)
        if state is None:
            if path is not None and held:
                log.warning("%s: is taken by an earlier %s; this one goes to %s.", base, held, folder)
            return _start(folder, verb, digest, config)
        if fresh or (state["state"] == "done" and not (extend and state["digest"] == digest)):
            held = held or state["verb"]
            continue
        if state["digest"] != digest:
            raise UserError(
                f"{folder}: holds an unfinished {state['verb']} of another config; give --fresh to start "
                "anew beside it, or another --run."
            )
        directory = RunDirectory(folder, _lock(folder), state["state"])
        directory.mark("running")
        if not (folder / _CONFIG).exists():  # killed at once
            write_artifact(folder / _CONFIG, config)
        return directory


def digest_of(identity: Mapping[str, Any]) -> str:
    """Return twelve digits that tell runs of different identities apart.

    What a trainer merely shows is no part of it: a run goes on with ``--quiet`` where it was without.
    """
    trainer = identity.get("trainer")
    if isinstance(trainer, Mapping):
        decides = {key: value for key, value in trainer.items() if key not in _SHOWN_ONLY}
        identity = {**identity, "trainer": decides}
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _start(folder: Path, verb: str, digest: str, config: str) -> RunDirectory:
    before = frozenset(entry.name for entry in folder.iterdir()) if folder.is_dir() else None
    require_writable(folder)
    descriptor = _lock(folder)
    # First of all: by it the folder is known to be a run's, with whatever else is written.
    write_artifact(
        folder / _STATUS, json.dumps({"state": "running", "verb": verb, "digest": digest}, indent=1)
    )
    write_artifact(folder / _CONFIG, config)
    return RunDirectory(folder, descriptor, None, before)


def _state(folder: Path) -> dict[str, Any] | None:
    """Return what a folder's status file says; None for a folder that is free to use."""
    try:
        state: dict[str, Any] = json.loads((folder / _STATUS).read_text())
        return state
    except FileNotFoundError:
        # A run killed before its status was written leaves its lock, and a temporary file perhaps.
        if not folder.is_dir() or all(entry.name.startswith(".") for entry in folder.iterdir()):
            return None
        raise UserError(f"{folder}: is no run folder (it has no {_STATUS}); choose another --run.") from None
    except NotADirectoryError:
        raise UserError(f"{folder}: is a file; choose another --run.") from None
    except ValueError:
        raise UserError(f"{folder / _STATUS}: is damaged; choose another --run.") from None


def _lock(folder: Path) -> int:
    make_folder(folder)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise UserError(
            f"{folder}: another process is working on this run; wait for it or give --run."
        ) from None
    _locks.add(descriptor)
    return descriptor


def _let_go() -> None:
    """Close the locks that a forked worker inherits, or a run that is killed would stay locked by it."""
    while _locks:
        os.close(_locks.pop())


os.register_at_fork(after_in_child=_let_go)
