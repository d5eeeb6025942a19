"""One file, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from fulmen.artifacts.disk import explain, explained, sync, sync_folder, sync_name
from fulmen.artifacts.temporaries import remove, sweep_once, temporary_name

Content = bytes | str | Callable[[IO[bytes]], object]


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
    sweep_once(path.parent)
    temporary = temporary_name(path)
    try:
        with explained(path, temporary):
            with temporary.open("xb") as file:
                _fill(file, content)
                file.flush()
                sync(file.fileno())
            temporary.replace(path)
        sync_name(path)
    finally:
        remove(temporary)
    return path


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder and those above it; refuse with status 2 where it cannot be made."""
    path = Path(path)
    try:
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for folder in missing:
            sync_folder(folder.parent)
    except OSError as error:
        raise explain(path, error, begun=False) from error
    return path


def require_writable(path: str | os.PathLike[str]) -> Path:
    """Refuse a folder that cannot be written before any work is done for it."""
    path = make_folder(path)
    probe = temporary_name(path / "probe")
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise explain(path, error, begun=False) from error
    return path


def _fill(file: IO[bytes], content: Content) -> None:
    if callable(content):
        content(file)
    else:
        file.write(content.encode() if isinstance(content, str) else content)
