"""Disks that fill and folders that deny, real where this process may make them; strangers' plugins."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fulmen import host

THIRD_PARTY = Path(__file__).resolve().parent.parent / "third_party"


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
def denied() -> Iterator[Path]:
    """A folder with a file ``old`` in it, which any user may read and nobody but root may write."""
    folder = Path(tempfile.mkdtemp())  # not below pytest's own folders, which only their owner may enter
    (folder / "old").write_text("old")
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Install a distribution of tests/third_party with pip, once; return the folder to put on the path."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # one folder for all test processes
        shared = shared.parent
    shared = shared / "third_party"
    shared.mkdir(exist_ok=True)

    def install(name: str) -> Path:
        target = shared / name
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                source = shutil.copytree(THIRD_PARTY / name, shared / f"{name}-source")
                pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
                offline = ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(target)]
                subprocess.run([*pip, *offline, str(source)], check=True)
        return target

    return install


@pytest.fixture
def installed(
    third_party: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """Make distributions of tests/third_party part of this process's environment."""

    def install(*names: str) -> None:
        for name in names:
            monkeypatch.syspath_prepend(str(third_party(name)))
        host.reset()

    yield install
    monkeypatch.undo()
    host.reset()
