"""The names of what is half-written, and the sweeping of what killed processes left.

A name tells whose it is: ``.report.json.tmp-<host>-<pid>-<random>``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import shutil
import uuid
from pathlib import Path

_TEMPORARY = re.compile(r"^\..+\.tmp-([0-9a-f]{6})-(\d+)-[0-9a-f]{8}$")
_NAME_LENGTH = 40  # characters of the target's name in the temporary one, whose limit is 255 bytes

_swept: set[str] = set()


def temporary_name(path: Path) -> Path:
    """Return a new name beside a target."""
    unique = f"{host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    return path.parent / f".{path.name[:_NAME_LENGTH]}.tmp-{unique}"


def sweep_once(folder: Path) -> None:
    """Sweep a folder at its first use in a process: listing it at every write would cost too much."""
    where = os.path.realpath(folder)
    if where not in _swept:
        _swept.add(where)
        sweep_temporaries(folder)


def sweep_temporaries(folder: str | os.PathLike[str]) -> list[Path]:
    """Remove what killed processes of this host left half-written in a folder; return which."""
    swept = []
    for name in _names_in(folder):
        match = _TEMPORARY.match(name)
        if match and match[1] == host() and not _is_alive(int(match[2])):
            leftover = Path(folder, name)
            remove(leftover)
            swept.append(leftover)
    return swept


def remove(path: Path) -> None:
    """Remove a file, a link or a folder as far as that is allowed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def host() -> str:
    """Return six digits for where a process number has its meaning: a host, or a container on it."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return hashlib.blake2b(f"{platform.node()} {space}".encode(), digest_size=3).hexdigest()


def _names_in(folder: str | os.PathLike[str]) -> list[str]:
    try:
        return [entry.name for entry in Path(folder).iterdir()]
    except OSError:  # not there yet, or not ours to read
        return []


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
