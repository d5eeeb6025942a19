"""Disks that fill and folders that deny, real where this process may make them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def _mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "fulmen-test", str(folder)], capture_output=True, text=True
    )
    if mount.returncode:
        pytest.skip(f"needs the right to mount a tmpfs: {mount.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    with _mounted(tmp_path / "small", "size=1m") as folder:
        yield folder


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system other than that of ``tmp_path``, large enough for checkpoints."""
    with _mounted(tmp_path / "other", "size=64m") as folder:
        yield folder


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Run the test as a user whom file modes bind; root may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def denied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a file ``old`` in it, which any user may read and nobody but root may write."""
    folder = tmp_path_factory.mktemp("denied")
    (folder / "old").write_text("old")
    opened = [folder, folder.parent, folder.parent.parent]
    modes = [parent.stat().st_mode for parent in opened]
    for parent in opened:
        parent.chmod(0o755)
    folder.chmod(0o555)
    yield folder
    for parent, mode in zip(opened, modes, strict=True):
        parent.chmod(mode)
