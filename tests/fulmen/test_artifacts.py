"""Promise: a file, and a folder of files, is the old one or the new one, whatever fails at whatever step."""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import os
import random
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fulmen.artifacts import (
    artifact_folder,
    files,
    folders,
    make_folder,
    require_writable,
    sweep_temporaries,
    temporaries,
    write_artifact,
)
from fulmen.errors import ArtifactError, FulmenError, UserError

OLD, NEW = b"old" * 1000, b"new" * 9000


class PowerCut(BaseException):
    """The machine stops here: nothing after it happens, and what was not synced is lost."""


class Faults:
    """Counts the steps that reach the disk and fails the n-th: with an error, or with a power cut."""

    def __init__(self, n: int, code: int | None = None) -> None:
        self.n, self.code = n, code
        self.steps: list[str] = []
        self.cut = self.cleaning = False
        self.written: list[int] = []
        self.synced: dict[int, int] = {}

    def step(self, name: str, path: object = None) -> None:
        if self.cleaning:
            return
        self.steps.append(name)
        if self.code is None and (self.cut or len(self.steps) == self.n):
            self.cut = True
            raise PowerCut
        if len(self.steps) == self.n:
            names = () if path is None else (str(path),)
            raise OSError(self.code, os.strerror(self.code), *names)

    def fired(self) -> bool:
        return len(self.steps) >= self.n

    def lose_what_was_not_synced(self) -> None:
        for descriptor in self.written:
            os.ftruncate(descriptor, self.synced.get(os.fstat(descriptor).st_ino, 0))
            os.close(descriptor)


@contextmanager
def fail_at(n: int, code: int | None = None) -> Iterator[Faults]:
    """Fail the n-th write, sync, rename, mkdir or open, as the operating system would."""
    faults = Faults(n, code)

    class File(io.FileIO):
        def write(self, data: bytes) -> int:
            faults.step("write")
            return super().write(data)

    def opened(file: str | Path, mode: str = "r", *args: object, **kwargs: object) -> object:
        if not set(mode) & set("wxa"):
            return real_open(file, mode, *args, **kwargs)
        faults.step("create", file)
        raw = File(file, mode.replace("b", "").replace("t", ""))
        faults.written.append(os.dup(raw.fileno()))
        binary = io.BufferedWriter(raw, buffer_size=4096)
        return binary if "b" in mode else io.TextIOWrapper(binary, encoding="utf-8")

    def fsync(descriptor: int) -> None:
        faults.step("fsync")
        status = os.fstat(descriptor)
        faults.synced[status.st_ino] = status.st_size

    def counted(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(path: object, *args: object, **kwargs: object) -> object:
            faults.step(name, path)
            return real(path, *args, **kwargs)

        return call

    def remove(path: Path) -> None:
        if not faults.cut:  # after a power cut nobody cleans up
            faults.cleaning = True
            real_remove(path)
            faults.cleaning = False

    real_open, real_remove = io.open, temporaries.remove
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "open", opened)
        patch.setattr(os, "fsync", fsync)
        for name in ("open", "replace", "rename", "mkdir"):
            patch.setattr(os, name, counted(name, getattr(os, name)))
        patch.setattr(folders, "_exchange", counted("exchange", folders._exchange))
        for module in (files, folders):
            patch.setattr(module, "remove", remove)
        yield faults


def write_file(target: Path) -> None:
    write_artifact(target, lambda file: [file.write(NEW[i : i + 3000]) for i in range(0, len(NEW), 3000)])


def write_folder(target: Path) -> None:
    with artifact_folder(target) as folder:
        (folder / "report.json").write_bytes(NEW)
        (folder / "tables").mkdir()
        (folder / "tables" / "a.csv").write_bytes(NEW)


def put_old_file(target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(OLD)


def put_old_folder(target: Path) -> None:
    target.mkdir(parents=True)
    (target / "report.json").write_bytes(OLD)
    (target / "gone.csv").write_bytes(OLD)


def content(target: Path) -> object:
    if not target.exists():
        return None
    if target.is_file():
        return target.read_bytes()
    return {
        str(file.relative_to(target)): file.read_bytes()
        for file in sorted(target.rglob("*"))
        if file.is_file()
    }


def nothing(target: Path) -> None:
    pass


def attempt(write: Callable[[Path], None], target: Path) -> FulmenError | None:
    try:
        write(target)
    except FulmenError as error:
        return error
    return None


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob(".*"))


CASES = [
    pytest.param(write_file, put_old_file, id="file-over-old"),
    pytest.param(write_file, nothing, id="file"),
    pytest.param(write_folder, put_old_folder, id="folder-over-old"),
    pytest.param(write_folder, nothing, id="folder"),
]


def states(tmp_path: Path, write: Callable[[Path], None], prepare: Callable[[Path], None]) -> list[object]:
    """What the target may be: as it was, and as it shall be."""
    target = tmp_path / "states" / "run" / "target"
    prepare(target)
    before = content(target)
    write(target)
    return [before, content(target)]


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC], ids=errno.errorcode.get)
@pytest.mark.parametrize(("write", "prepare"), CASES)
def test_an_error_at_any_step_leaves_the_old_or_the_new(tmp_path, write, prepare, code):
    allowed = states(tmp_path, write, prepare)
    for n in itertools.count(1):
        target = tmp_path / str(n) / "run" / "target"
        prepare(target)
        with fail_at(n, code) as faults:
            error = attempt(write, target)
        if not faults.fired():
            assert error is None
            break
        # mkdir(exist_ok=True) does not mind a failure where the folder is there.
        if error or faults.steps[n - 1] != "mkdir":
            assert re.search("not written|could not be synced", str(error))
        assert content(target) in allowed
        assert leftovers(tmp_path / str(n)) == []
        write(target)
        assert content(target) == allowed[1]
    assert n > 5


@pytest.mark.parametrize("exchanges", [True, False], ids=["", "no-exchange"])
@pytest.mark.parametrize(("write", "prepare"), CASES)
def test_a_power_cut_at_any_step_leaves_the_old_or_the_new(tmp_path, monkeypatch, write, prepare, exchanges):
    if not exchanges:
        monkeypatch.setattr(folders, "_exchange", lambda new, old: False)
    allowed = states(tmp_path, write, prepare)
    for n in itertools.count(1):
        target = tmp_path / str(n) / "run" / "target"
        prepare(target)
        with fail_at(n) as faults, contextlib.suppress(PowerCut):
            write(target)
        faults.lose_what_was_not_synced()
        if not exchanges:
            folders._recover(target)
        assert content(target) in allowed
        if not faults.fired():
            break
    assert content(target) == allowed[1]
    assert n > 5


def test_without_syncs_a_power_cut_would_leave_a_fragment(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "sync", lambda descriptor: None)
    target = tmp_path / "file"
    with fail_at(100) as faults:
        write_file(target)
    faults.lose_what_was_not_synced()

    assert content(target) == b""


def test_the_name_is_synced_after_the_rename(tmp_path):
    with fail_at(100, errno.EIO) as faults:
        write_file(tmp_path / "file")

    assert faults.steps[-3:] == ["replace", "open", "fsync"]


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_full_disk_keeps_the_old_file_and_says_so(small_disk, write):
    target = small_disk / "target"
    write(target)
    before = content(target)
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError):
        ballast.write_bytes(bytes(1 << 20))

    with pytest.raises(ArtifactError, match=r"target: not written \(No space left on device\)") as refused:
        write(target)

    assert refused.value.exit_status == 1
    assert content(target) == before
    assert leftovers(small_disk) == []
    ballast.unlink()
    write(target)


def test_a_file_size_limit_keeps_the_old_file_and_says_so(tmp_path):
    target = write_artifact(tmp_path / "target", "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(ArtifactError, match="File too large"):
            write_artifact(target, bytes(1 << 21))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert target.read_text() == "old"
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_denied_folder_is_refused_with_status_2(denied, unprivileged, write):
    with pytest.raises(UserError, match=r"old: cannot be written \(Permission denied\)") as refused:
        write(denied / "old")

    assert refused.value.exit_status == 2
    assert content(denied / "old") == b"old"


def test_a_denied_folder_is_refused_before_the_work(denied, unprivileged):
    with pytest.raises(UserError, match="Permission denied"):
        require_writable(denied)


@pytest.mark.parametrize("use", [make_folder, lambda path: write_artifact(path / "file", "")])
def test_a_file_in_the_place_of_a_folder_is_refused_with_status_2(tmp_path, use):
    (tmp_path / "file").touch()

    with pytest.raises(UserError, match="file"):
        use(tmp_path / "file")
    with pytest.raises(UserError, match="file"):
        use(tmp_path / "file" / "below")


def test_a_folder_does_not_replace_a_file(tmp_path):
    (tmp_path / "file").write_text("precious")

    with pytest.raises(UserError, match="Not a directory"):
        write_folder(tmp_path / "file")

    assert (tmp_path / "file").read_text() == "precious"


def test_an_error_of_the_caller_passes_unchanged(tmp_path):
    def fill(file):
        Path("/no/such/input").read_bytes()

    with pytest.raises(FileNotFoundError, match="/no/such/input"):
        write_artifact(tmp_path / "file", fill)
    with pytest.raises(KeyError), artifact_folder(tmp_path / "folder"):
        raise KeyError("a bug in a plugin")

    assert list(tmp_path.iterdir()) == []


WRITER = """
import sys
from fulmen.artifacts import artifact_folder
for generation in range(1_000_000):
    with artifact_folder(sys.argv[1]) as folder:
        for name in range(8):
            (folder / f"{name}.csv").write_text(f"{generation}\\n" * 5000)
    print(generation, flush=True)
"""


@pytest.mark.process
def test_under_20_kills_a_report_is_the_old_or_the_new(tmp_path):
    target = tmp_path / "report"
    generator = random.Random(0)
    whole = 0
    for _ in range(20):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, target], stdout=subprocess.PIPE)
        writer.stdout.readline()
        time.sleep(generator.uniform(0, 0.05))
        writer.kill()
        writer.communicate()
        files = content(target)
        assert sorted(files) == [f"{name}.csv" for name in range(8)]
        assert len(set(files.values())) == 1, "a mixture of two reports"
        assert files["0.csv"].count(b"\n") == 5000
        whole += bool(leftovers(tmp_path))
    assert whole > 0, "no kill fell into a write"
    sweep_temporaries(tmp_path)
    assert leftovers(tmp_path) == []


def test_a_dead_writers_leftovers_are_swept_and_no_others(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    host = temporaries.host()
    swept = [f".a.tmp-{host}-{dead.pid}-0123abcd", f".a.tmp-{host}-{10**30}-0123abcd"]
    kept = [
        f".a.tmp-{host}-{os.getpid()}-0123abcd",  # still being written
        f".a.tmp-ffffff-{dead.pid}-0123abcd",  # by another host, on a shared file system
        f"a.tmp-{host}-{dead.pid}",
    ]
    for name in [*swept, *kept]:
        (tmp_path / name).touch()
    write_artifact(tmp_path / "b", "")

    assert {path.name for path in tmp_path.iterdir()} == {*kept, "b"}


def test_a_folder_is_listed_once_per_process(tmp_path, monkeypatch):
    listed = []
    monkeypatch.setattr(temporaries, "sweep_temporaries", listed.append)
    for name in range(5):
        write_artifact(tmp_path / str(name), "")

    assert listed == [tmp_path]


def test_a_name_as_long_as_the_file_system_takes_is_written(tmp_path):
    assert write_artifact(tmp_path / ("ä" * 120), "x").read_text() == "x"


def test_a_link_to_a_file_is_replaced_and_one_to_a_folder_followed(tmp_path):
    (tmp_path / "best.ckpt").write_text("best")
    (tmp_path / "last.ckpt").symlink_to("best.ckpt")
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to("disk")
    write_artifact(tmp_path / "last.ckpt", "last")
    write_folder(tmp_path / "run")

    assert (tmp_path / "best.ckpt").read_text() == "best"
    assert (tmp_path / "run").is_symlink()
    assert (tmp_path / "disk" / "report.json").exists()


def test_text_is_written_as_utf_8(tmp_path):
    assert write_artifact(tmp_path / "a" / "b" / "text", "Größe\n").read_bytes() == "Größe\n".encode()
