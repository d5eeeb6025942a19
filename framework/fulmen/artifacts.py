"""The one way in which fulmen writes files: whole or not at all.

A file is written under a temporary name in the folder of its target, synced, and renamed over
the target; then the folder is synced. At every instant the target is the old file or the new one,
also under ``kill -9``, a full disk or a power cut. A folder of several files is committed as one.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from fulmen.errors import ArtifactError, UserError

Content = bytes | str | Callable[[IO[bytes]], object]

_TEMPORARY = re.compile(r"^\..+\.tmp-(\d+)-[0-9a-f]{8}$")
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fs.h


def write_artifact(path: str | os.PathLike[str], content: Content) -> Path:
    """Write a file whole or not at all, and return its path.

    Args:
        path: The target. Missing folders above it are made.
        content: The bytes, the text (written as UTF-8), or a function that writes into the open
            binary file it is given (``lambda f: torch.save(state, f)``).

    Raises:
        ArtifactError: the disk is full or fails (exit status 1). The old file stays whole.
        UserError: the folder cannot be written at all (exit status 2).
    """
    path = Path(path)
    temporary = _temporary_name(path)
    try:
        make_folder(path.parent)
        sweep_temporaries(path.parent)
        with temporary.open("xb") as file:
            if isinstance(content, str):
                file.write(content.encode())
            elif isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _explain(path, error) from error
    except RuntimeError as error:  # torch's zip writer turns an OSError into a RuntimeError
        if isinstance(error.__context__, OSError):
            raise _explain(path, error.__context__) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


@contextlib.contextmanager
def artifact_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Fill a temporary folder that takes the place of ``path`` at the end, as a whole.

    Yields the temporary folder. If the block raises, ``path`` is left as it was. An existing
    ``path`` is exchanged for the new folder in one step, then removed.

    Raises:
        ArtifactError: the disk is full or fails (exit status 1).
        UserError: the folder cannot be written at all (exit status 2).
    """
    path = Path(path)
    temporary = _temporary_name(path)
    try:
        try:
            make_folder(path.parent)
            sweep_temporaries(path.parent)
            temporary.mkdir()
            yield temporary
            _sync_tree(temporary)
            if path.exists():
                _exchange(temporary, path)
            else:
                temporary.rename(path)
            sync_folder(path.parent)
        except OSError as error:
            raise _explain(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder and those above it; refuse with status 2 where it cannot be made."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _explain(path, error) from error
    return path


def require_writable(path: str | os.PathLike[str]) -> Path:
    """Refuse a folder that cannot be written before any work is done for it."""
    path = make_folder(path)
    probe = _temporary_name(path / "probe")
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _explain(path, error) from error
    return path


def sweep_temporaries(folder: str | os.PathLike[str]) -> list[Path]:
    """Remove what killed processes left half-written in a folder; return what was removed."""
    swept = []
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            match = _TEMPORARY.match(entry.name)
            if match and not _is_alive(int(match[1])):
                leftover = Path(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(leftover, ignore_errors=True)
                else:
                    leftover.unlink(missing_ok=True)
                swept.append(leftover)
    return swept


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable (a rename is not until its folder is synced)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # some network file systems cannot
            raise
    finally:
        os.close(descriptor)


def _sync_tree(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(Path(parent) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(parent))


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders atomically; the old one then stands under the temporary name."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is not None:
        status = renameat2(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(old), _RENAME_EXCHANGE)
        if status == 0:
            return
        code = ctypes.get_errno()
        if code not in {errno.EINVAL, errno.ENOSYS}:
            raise OSError(code, os.strerror(code), str(old))
    # Without renameat2 (not Linux, some network file systems) there is an instant with neither
    # folder under its name, but never a mixture of the two.
    aside = _temporary_name(old)
    old.rename(aside)
    new.rename(old)
    aside.rename(new)


def _temporary_name(path: Path) -> Path:
    return path.parent / f".{path.name}.tmp-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _explain(path: Path, error: OSError) -> ArtifactError | UserError:
    cause = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _DENIED:
        return UserError(f"{path}: cannot be written ({cause}); choose a folder that you may write to.")
    return ArtifactError(
        f"{path}: not written ({cause}); what stood there before is untouched. "
        "Free space or choose another folder, then run the same command again."
    )
