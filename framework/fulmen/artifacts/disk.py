"""What reaches the disk for good, and what a disk's errors mean to a person."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from fulmen.errors import DISK_FULL, ArtifactError, UserError

_DISK = {*DISK_FULL, errno.EIO, errno.EROFS}
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


def sync(descriptor: int) -> None:
    """Make what was written to an open file durable, where the file system can."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Make the names in a folder durable (a rename is not until its folder is synced)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder that may be written but not read
        return
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def sync_name(path: Path) -> None:
    """Make a name that was just put in place durable."""
    try:
        sync_folder(path.parent)
    except OSError as error:
        raise ArtifactError(
            f"{path}: written, but its folder could not be synced ({error.strerror}), "
            "so that a power cut may undo it. Check the disk, then run the same command again."
        ) from error


@contextlib.contextmanager
def explained(path: Path, temporary: Path) -> Iterator[None]:
    """Turn an error of writing into a line about ``path``; let the caller's own errors pass."""
    try:
        yield
    except OSError as error:
        if _is_of_writing(error, temporary):
            raise explain(path, error) from error
        raise
    except RuntimeError as error:  # torch's zip writer turns an OSError into a RuntimeError
        cause = error.__context__
        if isinstance(cause, OSError) and _is_of_writing(cause, temporary):
            raise explain(path, cause) from error
        raise


def explain(path: Path, error: OSError, *, begun: bool = True) -> ArtifactError | UserError:
    """Return what an error of writing means: the disk failed (1), or the place was refused (2).

    Where nothing was ``begun``, all but a disk's errors are of the place: /proc has no room for files.
    """
    cause = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _DENIED or (not begun and error.errno not in _DISK):
        return UserError(f"{path}: cannot be written ({cause}); choose a folder that you may write to.")
    return ArtifactError(
        f"{path}: not written ({cause}); what stood there before is untouched. "
        "Free space or choose another folder, then run the same command again."
    )


def _is_of_writing(error: OSError, temporary: Path) -> bool:
    if error.filename is None:  # a write or a sync, which know a descriptor only
        return error.errno in _DISK
    return str(error.filename).startswith(str(temporary))
