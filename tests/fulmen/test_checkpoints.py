"""Promise: a checkpoint never runs code, is never half a file, and says what is wrong with it."""

from __future__ import annotations

import io
import os
import pickle
import random
import resource
import signal
import sys
import tarfile
import tempfile
import time
import warnings
import zipfile
from collections import Counter, OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.strategies import SingleDeviceStrategy

import fulmen
from fulmen.checkpoints import (
    CheckpointConnector,
    WholeFileCheckpointIO,
    check_state_dict,
    install_checkpoint_io,
    loading,
    require_plain,
    trust_checkpoint,
)
from fulmen.errors import ArtifactError, CheckpointError, UserError

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


# ---------------------------------------------------------------------------------------------------
# Hostile files. Each writer gets the path to write and the command that leaves the canary.


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


# ---------------------------------------------------------------------------------------------------
# Files that are merely wrong.


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
    secret = Path("/proc/1/environ") if os.geteuid() != os.getuid() else None
    if secret:
        with pytest.raises(CheckpointError, match=r"cannot be read \(Permission denied\)"):
            fulmen.load_checkpoint(secret)


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


# ---------------------------------------------------------------------------------------------------
# What may be saved.


@dataclass
class Record:
    x: int = 1


class Text(str):
    __slots__ = ()


Point = namedtuple("Point", "x y")

VALUES = {
    "none": None,
    "complex": 1j,
    "bytes": b"x",
    "bytearray": bytearray(b"x"),
    "tuple": (1, (2.0, "3")),
    "set": {1, 2},
    "ordered": OrderedDict(a=1),
    "counter": Counter("aab"),
    "size": torch.Size([1, 2]),
    "dtype": torch.float16,
    "device": torch.device("cpu"),
    "layout": torch.strided,
    "parameter": torch.nn.Parameter(torch.zeros(2)),
    "sparse": torch.eye(2).to_sparse(),
    "metadata": torch.nn.Linear(1, 1).state_dict(),
    "float64": np.float64(1),
    "int64": np.int64(1),
    "array": np.zeros(2),
    "path": Path("x"),
    "dataclass": Record(),
    "defaultdict": defaultdict(list),
    "namedtuple": Point(1, 2),
    "frozenset": frozenset({1}),
    "str subclass": Text("x"),
    "torch version": torch.__version__,
    "module": torch.nn.Linear(1, 1),
    "class": dict,
    "function": torch.relu,
    "key": {np.int64(1): 1},
    "range": range(3),
}


@pytest.mark.parametrize("name", VALUES)
def test_what_is_refused_is_exactly_what_torch_would_not_load(tmp_path, name):
    state = {"state_dict": {}, "callbacks": {"Mine": {"deep": [0, {"x": VALUES[name]}]}}}
    path = tmp_path / "a.ckpt"
    torch.save(state, path)
    try:
        torch.load(path, weights_only=True)
    except pickle.UnpicklingError:
        with pytest.raises(CheckpointError) as refused:
            require_plain(state, path)
        line = one_line(refused.value)
        assert "callbacks.Mine.deep.1.x" in line
        assert "(callback Mine)" in line
        assert not name.endswith(("float64", "path")) or type(VALUES[name]).__name__ in line
    else:
        require_plain(state, path)


def test_a_class_that_the_user_declared_safe_may_be_saved(tmp_path):
    with torch.serialization.safe_globals([Record]):
        require_plain({"x": Record()}, tmp_path)
    with pytest.raises(CheckpointError, match="Record"):
        require_plain({"x": Record()}, tmp_path)


def test_a_state_that_holds_itself_is_walked_once(tmp_path):
    state: dict[str, Any] = {"list": []}
    state["list"].append(state)
    require_plain(state, tmp_path)


def test_a_refused_save_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.ckpt"
    saver = WholeFileCheckpointIO()
    saver.save_checkpoint(WEIGHTS, path)
    with pytest.raises(
        CheckpointError, match=r"hyper_parameters\.lr is a numpy\.float64 \(the model's hyper-p"
    ):
        saver.save_checkpoint({**WEIGHTS, "hyper_parameters": {"lr": np.float64(1)}}, path)

    assert "hyper_parameters" not in fulmen.load_checkpoint(path)


# ---------------------------------------------------------------------------------------------------
# Disks that fail. Lightning's own CheckpointIO is put to the same tests, and fails them.

BOTH = [
    WholeFileCheckpointIO,
    pytest.param(TorchCheckpointIO, marks=pytest.mark.xfail(strict=True, reason="Lightning 2.6.6")),
]


@pytest.mark.parametrize("checkpoint_io", BOTH)
def test_a_full_disk_is_an_error_and_keeps_the_old_checkpoint(
    tmp_path, small_disk, monkeypatch, checkpoint_io
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = small_disk / "a.ckpt"
    saver = checkpoint_io()
    saver.save_checkpoint(WEIGHTS, path)

    with pytest.raises((ArtifactError, OSError), match="No space left on device"):
        saver.save_checkpoint({"state_dict": {"w": torch.zeros(2_000_000)}}, path)

    torch.testing.assert_close(torch.load(path, weights_only=True), WEIGHTS)
    saver.save_checkpoint({"state_dict": {}}, path)
    assert [file.name for file in small_disk.iterdir()] == ["a.ckpt"]


@pytest.mark.parametrize("checkpoint_io", BOTH)
def test_a_denied_folder_is_an_error(denied, unprivileged, checkpoint_io):
    with pytest.raises((UserError, OSError), match="Permission denied"):
        checkpoint_io().save_checkpoint(WEIGHTS, denied / "old")

    assert (denied / "old").read_text() == "old"


def test_a_file_size_limit_is_an_error_and_keeps_the_old_checkpoint(tmp_path):
    path = tmp_path / "a.ckpt"
    WholeFileCheckpointIO().save_checkpoint(WEIGHTS, path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(ArtifactError, match="File too large") as refused:
            WholeFileCheckpointIO().save_checkpoint({"state_dict": {"w": torch.zeros(2_000_000)}}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert refused.value.exit_status == 1
    torch.testing.assert_close(fulmen.load_checkpoint(path), WEIGHTS)


def save_for_ever(saver: TorchCheckpointIO, path: Path, first: int, done: int) -> None:
    for generation in range(first, first + 1_000_000):
        state = {str(layer): torch.full((250_000,), float(generation)) for layer in range(4)}
        saver.save_checkpoint({"state_dict": state, "generation": generation}, path)
        os.write(done, b".")


@pytest.mark.process
def test_under_30_kills_the_newest_or_the_previous_checkpoint_loads(tmp_path, other_disk, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    path = other_disk / "last.ckpt"
    generator = random.Random(0)
    generation, interrupted = 0, 0
    for _ in range(30):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                save_for_ever(WholeFileCheckpointIO(), path, generation + 1, writer)
            finally:
                os._exit(1)
        os.close(writer)
        os.read(reader, 1)
        time.sleep(generator.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        newest = generation + 1 + len(os.read(reader, 1 << 16))
        os.close(reader)

        checkpoint = fulmen.load_checkpoint(path)
        assert checkpoint["generation"] in {newest, newest + 1}  # saved, but killed before it could say so
        assert all((w == checkpoint["generation"]).all() for w in checkpoint["state_dict"].values())
        generation = checkpoint["generation"]
        interrupted += any(".tmp-" in file.name for file in other_disk.iterdir())
    assert interrupted > 5, "too few kills fell into a save"


# ---------------------------------------------------------------------------------------------------
# In a Trainer.


class Model(BoringModel):
    def __init__(self, width: int = 2) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(32, width)


def trainer(folder: Path, **options: Any) -> pl.Trainer:
    made = pl.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_train_batches=2,
        limit_val_batches=0,
        **{"max_epochs": 1, **options},
    )
    install_checkpoint_io(made.strategy)
    made._checkpoint_connector = CheckpointConnector(made)
    return made


@pytest.fixture
def fitted(tmp_path: Path) -> Path:
    fit = trainer(tmp_path)
    fit.fit(Model())
    fit.save_checkpoint(tmp_path / "a.ckpt")
    return tmp_path / "a.ckpt"


def test_a_run_is_saved_and_resumed(tmp_path, fitted):
    resumed = trainer(tmp_path, max_epochs=2)
    resumed.fit(Model(), ckpt_path=fitted)

    assert isinstance(resumed.strategy.checkpoint_io, WholeFileCheckpointIO)
    assert resumed.global_step == 4
    assert Model.load_from_checkpoint(fitted).hparams.width == 2


def test_a_hostile_checkpoint_is_refused_by_fit(tmp_path):
    canary = tmp_path / "canary"
    reduces_to_system(tmp_path / "a.ckpt", f"touch {canary}")

    with pytest.raises(CheckpointError, match="needs pickle"):
        trainer(tmp_path).fit(Model(), ckpt_path=tmp_path / "a.ckpt")
    assert not canary.exists()


class Unpickles(SingleDeviceStrategy):
    """A strategy that loads checkpoints by means of its own, as FSDP does."""

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        return torch.load(checkpoint_path, weights_only=False)


def test_a_strategy_that_unpickles_is_not_reached(tmp_path, fitted):
    canary = tmp_path / "canary"
    reduces_to_system(tmp_path / "b.ckpt", f"touch {canary}")

    with pytest.raises(CheckpointError, match="needs pickle"):
        trainer(tmp_path, strategy=Unpickles()).fit(Model(), ckpt_path=tmp_path / "b.ckpt")
    assert not canary.exists()
    trainer(tmp_path, strategy=Unpickles(), max_epochs=2).fit(Model(), ckpt_path=fitted)


def test_lightnings_own_word_for_trust_is_taken(tmp_path, fitted):
    checkpoint = torch.load(fitted, weights_only=True)
    torch.save({**checkpoint, "x": Path("x")}, fitted)

    with pytest.raises(CheckpointError, match="needs pickle"):
        trainer(tmp_path, max_epochs=2).fit(Model(), ckpt_path=fitted)
    trainer(tmp_path, max_epochs=2).fit(Model(), ckpt_path=fitted, weights_only=False)


def test_weights_that_lightning_did_not_save_cannot_be_resumed_from(tmp_path):
    torch.save(WEIGHTS, tmp_path / "a.ckpt")

    with pytest.raises(CheckpointError, match="weights that Lightning did not save"):
        trainer(tmp_path).fit(Model(), ckpt_path=tmp_path / "a.ckpt")


def test_a_checkpoint_of_another_model_is_refused_by_its_keys(tmp_path, fitted):
    with pytest.raises(CheckpointError) as refused:
        trainer(tmp_path).fit(Model(width=3), ckpt_path=fitted)

    line = one_line(refused.value)
    assert str(fitted) in line
    assert "layer.weight is 2x32, expected 3x32, layer.bias is 2, expected 3" in line


def test_at_most_ten_differing_keys_are_listed():
    model = torch.nn.Sequential(*(torch.nn.Linear(1, 1) for _ in range(8)))
    with pytest.raises(CheckpointError) as refused:
        check_state_dict(model, {"state_dict": {"other": torch.zeros(1)}}, "a.ckpt")
    line = one_line(refused.value)

    assert line.count(" is missing") == 10
    assert "and 7 more" in line
    check_state_dict(model, {"state_dict": {"other": torch.zeros(1)}}, "a.ckpt", strict=False)


def test_a_checkpoint_io_of_the_users_stays(tmp_path):
    own = TorchCheckpointIO()

    assert trainer(tmp_path, plugins=[own]).strategy.checkpoint_io is own


def test_ddp_spawns_hand_over_is_a_bare_state_dict(tmp_path):
    state = Model().state_dict()
    saver = WholeFileCheckpointIO()
    saver.save_checkpoint(state, tmp_path / ".temp.ckpt")

    torch.testing.assert_close(
        saver.load_checkpoint(tmp_path / ".temp.ckpt"), dict(state), check_device=False
    )
