"""Promise: loading a checkpoint never runs code, and says what is wrong with the file."""

from __future__ import annotations

import io
import os
import pickle
import resource
import sys
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import fulmen
from fulmen.checkpoints import (
    WholeFileCheckpointIO,
    loading,
    trust_checkpoint,
)
from fulmen.errors import CheckpointError

WEIGHTS = {"state_dict": {"layer.weight": torch.arange(6.0).reshape(2, 3)}}


def one_line(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def rewrite(source: Path, target: Path, change: Callable[[str, bytes], bytes], **options: Any) -> None:
    """Copy a zip archive with its records changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", **options) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))


# Each writer gets the path to write and the command that leaves the canary.


class Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


class Evaluates(Runs):
    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"__import__('os').system({self.command!r})",)


def reduces_to_system(path: Path, command: str) -> None:
    torch.save({**WEIGHTS, "x": Runs(command)}, path)


def reduces_to_eval(path: Path, command: str) -> None:
    torch.save({"state_dict": OrderedDict(x=Evaluates(command))}, path)


def legacy_format(path: Path, command: str) -> None:
    torch.save({**WEIGHTS, "x": Runs(command)}, path, _use_new_zipfile_serialization=False)


def plain_pickle(path: Path, command: str) -> None:
    path.write_bytes(pickle.dumps(Runs(command)))


def newer_protocol(path: Path, command: str) -> None:
    torch.save({**WEIGHTS, "x": Runs(command)}, path, pickle_protocol=5)


def tar_format(path: Path, command: str) -> None:
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            data = pickle.dumps(Runs(command))
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def nested_zip(path: Path, command: str) -> None:
    inner = io.BytesIO()
    torch.save({**WEIGHTS, "x": Runs(command)}, inner)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/inner.ckpt", inner.getvalue())


def torchscript(path: Path, command: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Linear(2, 2)).save(path)


def truncated(path: Path, command: str) -> None:
    torch.save({**WEIGHTS, "x": Runs(command)}, path)
    path.write_bytes(path.read_bytes()[:-100])


def huge_storage(path: Path, command: str) -> None:
    torch.save(WEIGHTS, path)
    data = path.read_bytes()
    scratch = path.with_suffix(".scratch")
    scratch.write_bytes(data)
    huge = b"J" + (2**31 - 1).to_bytes(4, "little")
    rewrite(scratch, path, lambda name, data: data.replace(b"K\x06tq", huge + b"tq"))
    assert huge in path.read_bytes()


def huge_storage_legacy(path: Path, command: str) -> None:
    torch.save(WEIGHTS, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    huge = b"\x8a\x06" + (2 * 10**11).to_bytes(6, "little")
    assert b"K\x06N" in data
    path.write_bytes(data.replace(b"K\x06N", huge + b"N", 1))


def compressed_bomb(path: Path, command: str) -> None:
    torch.save(WEIGHTS, path)
    data = path.read_bytes()
    scratch = path.with_suffix(".scratch")
    scratch.write_bytes(data)
    rewrite(
        scratch,
        path,
        lambda name, data: bytes(1 << 28) if "data/" in name else data,
        compression=zipfile.ZIP_DEFLATED,
    )


def unknown_byte_order(path: Path, command: str) -> None:
    torch.save(WEIGHTS, path)
    scratch = path.with_suffix(".scratch")
    scratch.write_bytes(path.read_bytes())
    rewrite(scratch, path, lambda name, data: b"middle" if name.endswith("byteorder") else data)


def tampered_opcodes(path: Path, command: str) -> None:
    torch.save(WEIGHTS, path)
    scratch = path.with_suffix(".scratch")
    scratch.write_bytes(path.read_bytes())
    # The INST opcode calls a global without REDUCE.
    attack = b"(S'" + command.encode() + b"'\nios\nsystem\n."
    rewrite(scratch, path, lambda name, data: attack if name.endswith("data.pkl") else data)


HOSTILE = [
    (reduces_to_system, "needs pickle"),
    (reduces_to_eval, "needs pickle"),
    (legacy_format, "needs pickle"),
    (plain_pickle, "not a checkpoint: a pickle of something else"),
    (newer_protocol, "needs pickle"),
    (tar_format, "a tar archive"),
    (nested_zip, "without data.pkl"),
    (torchscript, "TorchScript"),
    (truncated, "damaged or cut short"),
    (huge_storage, "damaged or cut short"),
    (huge_storage_legacy, "damaged or cut short"),
    (compressed_bomb, "unpacks to more bytes"),
    (unknown_byte_order, "damaged or cut short"),
    (tampered_opcodes, "needs pickle"),
]


@pytest.mark.parametrize(("write", "reason"), HOSTILE, ids=lambda value: getattr(value, "__name__", ""))
def test_a_hostile_file_is_refused_and_runs_nothing(tmp_path, write, reason):
    canary, path = tmp_path / "canary", tmp_path / "hostile.ckpt"
    write(path, f"touch {canary}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(CheckpointError) as refused:
        fulmen.load_checkpoint(path)
    with pytest.raises(CheckpointError):
        WholeFileCheckpointIO().load_checkpoint(path)

    line = one_line(refused.value)
    assert line.startswith(f"{path}: ")
    assert reason in line
    assert refused.value.exit_status == 2
    assert not canary.exists()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize("write", [reduces_to_system, reduces_to_eval, legacy_format, newer_protocol])
def test_the_canary_dies_where_the_file_is_trusted(tmp_path, write):
    canary, path = tmp_path / "canary", tmp_path / "hostile.ckpt"
    write(path, f"touch {canary}")
    fulmen.load_checkpoint(path, trust=True)

    assert canary.exists()


@pytest.mark.parametrize("key", ["_instantiator", "_class_path"])
def test_class_paths_in_a_checkpoint_stay_strings(tmp_path, monkeypatch, key):
    (tmp_path / "canary_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    torch.save({**WEIGHTS, "hyper_parameters": {key: "canary_module.Model"}}, tmp_path / "a.ckpt")

    assert fulmen.load_checkpoint(tmp_path / "a.ckpt")["hyper_parameters"] == {key: "canary_module.Model"}
    assert "canary_module" not in sys.modules


def test_torchs_switch_to_pickle_is_ignored_with_a_warning(tmp_path, monkeypatch, caplog):
    canary = tmp_path / "canary"
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    reduces_to_system(tmp_path / "a.ckpt", f"touch {canary}")

    with pytest.raises(CheckpointError, match="needs pickle"):
        fulmen.load_checkpoint(tmp_path / "a.ckpt")
    assert not canary.exists()
    assert "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD is ignored" in caplog.text


@pytest.mark.parametrize(
    "url",
    ["http://host/a.ckpt", "https://host/a.ckpt", "s3://b/a", "file:///a.ckpt", "simplecache::s3://b/a"],
)
def test_a_url_is_refused(url):
    with pytest.raises(CheckpointError, match="local file, not from a URL: download it"):
        fulmen.load_checkpoint(url)


def test_a_missing_file_is_named_with_those_that_are_there(tmp_path):
    torch.save(WEIGHTS, tmp_path / "last.ckpt")

    with pytest.raises(CheckpointError, match=r"lost\.ckpt: no such checkpoint.*has last\.ckpt"):
        fulmen.load_checkpoint(tmp_path / "lost.ckpt")
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        fulmen.load_checkpoint(tmp_path / "nowhere" / "lost.ckpt")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty file"),
        (b"hello, this is text", "it begins with b'hello, t'"),
        (b"PK\x03\x04" + bytes(50), "damaged or cut short"),
        (loading._LEGACY, "damaged or cut short"),
        (b"\x08\0\0\0\0\0\0\0{}      ", "a safetensors file"),
    ],
)
def test_a_file_that_torch_did_not_write_is_refused(tmp_path, content, reason):
    (tmp_path / "a.ckpt").write_bytes(content)

    with pytest.raises(CheckpointError) as refused:
        fulmen.load_checkpoint(tmp_path / "a.ckpt")
    assert reason in one_line(refused.value)


def test_a_folder_a_pipe_and_a_denied_file_are_refused(tmp_path, denied, unprivileged):
    with pytest.raises(CheckpointError, match="a folder; expected a checkpoint file"):
        fulmen.load_checkpoint(denied)
    with pytest.raises(CheckpointError, match="a device or a pipe"):
        fulmen.load_checkpoint("/dev/zero")
    with pytest.raises(CheckpointError, match=r"cannot be read \(Permission denied\)"):
        fulmen.load_checkpoint("/proc/1/environ")


@pytest.mark.parametrize(
    ("content", "found"),
    [({"weights": 1}, "it holds 'weights'"), ({}, "it holds nothing"), ([1], "holds a list")],
)
def test_a_file_without_weights_is_refused(tmp_path, content, found):
    torch.save(content, tmp_path / "a.ckpt")

    with pytest.raises(CheckpointError, match=found):
        fulmen.load_checkpoint(tmp_path / "a.ckpt")


def test_pickle_is_refused_with_its_reason_and_the_option_that_accepts_it(tmp_path):
    path = tmp_path / "a.ckpt"
    torch.save({**WEIGHTS, "x": Path("x")}, path)

    with pytest.raises(CheckpointError) as refused:
        fulmen.load_checkpoint(path)
    line = one_line(refused.value)
    assert "pathlib" in line
    assert f"--trust-checkpoint {path}" in line
    assert "trust=True" in line


def test_trust_is_for_one_file_and_reaches_spawned_processes(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(loading, "_trusted", set())
    for name in ("a.ckpt", "b.ckpt"):
        torch.save({**WEIGHTS, "x": Path("x")}, tmp_path / name)
    trust_checkpoint(tmp_path / "a.ckpt")
    sent = pickle.dumps(WholeFileCheckpointIO())
    monkeypatch.setattr(loading, "_trusted", set())
    pickle.loads(sent)  # noqa: S301 (our own)

    assert fulmen.load_checkpoint(tmp_path / "a.ckpt")["x"] == Path("x")
    assert "read with pickle, as asked for" in caplog.text
    with pytest.raises(CheckpointError, match="needs pickle"):
        fulmen.load_checkpoint(tmp_path / "b.ckpt")


@pytest.mark.parametrize("legacy", [False, True])
def test_what_was_saved_is_loaded(tmp_path, legacy):
    torch.save(WEIGHTS, tmp_path / "a.ckpt", _use_new_zipfile_serialization=not legacy)
    loaded = fulmen.load_checkpoint(tmp_path / "a.ckpt")

    torch.testing.assert_close(loaded, WEIGHTS, rtol=0, atol=0)
