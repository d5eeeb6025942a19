"""A folder of several files, committed as one."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from fulmen.artifacts.disk import explained, sync_folder, sync_name
from fulmen.artifacts.files import make_folder
from fulmen.artifacts.temporaries import remove, sweep_once, temporary_name

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fs.h


@contextlib.contextmanager
def artifact_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Fill a temporary folder that takes the place of ``path`` at the end, as a whole.

    Yields the temporary folder. If the block raises, ``path`` is left as it was. An existing folder
    is exchanged for the new one in one step, then removed with all that is in it. A symbolic link
    to a folder is followed.

    Raises:
        ArtifactError: the disk is full or fails (exit status 1).
        UserError: the folder cannot be written at all (exit status 2).
    """
    path = Path(os.path.realpath(path))
    make_folder(path.parent)
    sweep_once(path.parent)
    _recover(path)
    temporary = temporary_name(path)
    try:
        with explained(path, temporary):
            temporary.mkdir()
            yield temporary
            _sync_tree(temporary)
            _take_place(temporary, path)
        sync_name(path)
    finally:
        remove(temporary)


def _sync_tree(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            file = Path(parent, name)
            if not file.is_symlink():
                sync_folder(file)
        sync_folder(parent)


def _take_place(new: Path, old: Path) -> None:
    """Put a folder in the place of another, which may not exist."""
    if not old.exists():
        new.rename(old)
        return
    if not old.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(new))
    if _exchange(new, old):
        return
    # Where two folders cannot be exchanged (not Linux, some network file systems) there is an
    # instant with neither in place; the old one then stands aside for the next writer to put back.
    old.rename(_aside(old))
    new.rename(old)
    remove(_aside(old))


def _exchange(new: Path, old: Path) -> bool:
    """Swap two folders atomically, where the system can; the old one then has the temporary name."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(old), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in {errno.EINVAL, errno.ENOSYS}:
        return False
    raise OSError(code, os.strerror(code), str(new))


def _recover(path: Path) -> None:
    """Finish an exchange that a kill cut in two."""
    aside = _aside(path)
    if path.exists():
        remove(aside)
    elif aside.exists():
        aside.rename(path)


def _aside(path: Path) -> Path:
    return path.parent / f".{path.name}.was"
