"""The one way in which fulmen writes files: whole or not at all.

A file is written under a temporary name in the folder of its target, synced, and renamed over
the target; then the folder is synced. At every instant the target is the old file or the new one,
also under ``kill -9``, a full disk or a power cut. A folder of several files is committed as one.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import platform
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from fulmen.errors import ArtifactError, UserError

Content = bytes | str | Callable[[IO[bytes]], object]

_TEMPORARY = re.compile(r"^\..+\.tmp-([0-9a-f]{6})-(\d+)-[0-9a-f]{8}$")
_NAME_LENGTH = 40  # characters of the target's name in the temporary one, whose limit is 255 bytes
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
_DENIED = {
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}
_CANNOT_SYNC = {errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}  # a file system without fsync
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fs.h

_swept: set[str] = set()


def write_artifact(path: str | os.PathLike[str], content: Content) -> Path:
    """Write a file whole or not at all, and return its path.

    Args:
        path: The target. Missing folders above it are made. A symbolic link is replaced, not followed.
        content: The bytes, the text (written as UTF-8), or a function that writes into the open
            binary file it is given (``lambda f: torch.save(state, f)``).

    Raises:
        ArtifactError: the disk is full or fails (exit status 1). The old file stays whole.
        UserError: the folder cannot be written at all (exit status 2).
    """
    path = Path(path)
    make_folder(path.parent)
    _sweep_once(path.parent)
    temporary = _temporary_name(path)
    try:
        with _explained(path, temporary):
            with temporary.open("xb") as file:
                _fill(file, content)
                file.flush()
                _sync(file.fileno())
            temporary.replace(path)
        _sync_name(path)
    finally:
        _remove(temporary)
    return path


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
    _sweep_once(path.parent)
    _recover(path)
    temporary = _temporary_name(path)
    try:
        with _explained(path, temporary):
            temporary.mkdir()
            yield temporary
            _sync_tree(temporary)
            _take_place(temporary, path)
        _sync_name(path)
    finally:
        _remove(temporary)


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder and those above it; refuse with status 2 where it cannot be made."""
    path = Path(path)
    try:
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for folder in missing:
            sync_folder(folder.parent)
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
    """Remove what killed processes of this host left half-written in a folder; return which."""
    swept = []
    for name in _names_in(folder):
        match = _TEMPORARY.match(name)
        if match and match[1] == _host() and not _is_alive(int(match[2])):
            leftover = Path(folder, name)
            _remove(leftover)
            swept.append(leftover)
    return swept


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Make the names in a folder durable (a rename is not until its folder is synced)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder that may be written but not read
        return
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def _fill(file: IO[bytes], content: Content) -> None:
    if callable(content):
        content(file)
    else:
        file.write(content.encode() if isinstance(content, str) else content)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def _sync_name(path: Path) -> None:
    try:
        sync_folder(path.parent)
    except OSError as error:
        raise ArtifactError(
            f"{path}: written, but its folder could not be synced ({error.strerror}), "
            "so that a power cut may undo it. Check the disk, then run the same command again."
        ) from error


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
    shutil.rmtree(_aside(old), ignore_errors=True)


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
        shutil.rmtree(aside, ignore_errors=True)
    elif aside.exists():
        aside.rename(path)


def _aside(path: Path) -> Path:
    return path.parent / f".{path.name}.was"


def _sweep_once(folder: Path) -> None:
    """Sweep a folder at its first use in a process: listing it at every write would cost too much."""
    where = os.path.realpath(folder)
    if where not in _swept:
        _swept.add(where)
        sweep_temporaries(folder)


def _names_in(folder: str | os.PathLike[str]) -> list[str]:
    try:
        return [entry.name for entry in Path(folder).iterdir()]
    except OSError:  # not there yet, or not ours to read
        return []


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder as far as that is allowed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _temporary_name(path: Path) -> Path:
    unique = f"{_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    return path.parent / f".{path.name[:_NAME_LENGTH]}.tmp-{unique}"


def _host() -> str:
    """Return six digits for where a process number has its meaning: a host, or a container on it."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return hashlib.blake2b(f"{platform.node()} {space}".encode(), digest_size=3).hexdigest()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def _explained(path: Path, temporary: Path) -> Iterator[None]:
    """Turn an error of writing into a line about ``path``; let the caller's own errors pass."""
    try:
        yield
    except OSError as error:
        if _is_of_writing(error, temporary):
            raise _explain(path, error) from error
        raise
    except RuntimeError as error:  # torch's zip writer turns an OSError into a RuntimeError
        cause = error.__context__
        if isinstance(cause, OSError) and _is_of_writing(cause, temporary):
            raise _explain(path, cause) from error
        raise


def _is_of_writing(error: OSError, temporary: Path) -> bool:
    if error.filename is None:  # a write or a sync, which know a descriptor only
        return error.errno in _DISK
    return str(error.filename).startswith(str(temporary))


def _explain(path: Path, error: OSError) -> ArtifactError | UserError:
    cause = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _DENIED:
        return UserError(f"{path}: cannot be written ({cause}); choose a folder that you may write to.")
    return ArtifactError(
        f"{path}: not written ({cause}); what stood there before is untouched. "
        "Free space or choose another folder, then run the same command again."
    )
