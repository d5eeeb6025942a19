"""Promise: a checkpoint is saved whole or not at all, and only if it can be loaded back as data."""

from __future__ import annotations

import os
import pickle
import random
import resource
import signal
import tempfile
import time
from collections import Counter, OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

import fulmen
from fulmen.checkpoints import WholeFileCheckpointIO, require_plain
from fulmen.errors import ArtifactError, CheckpointError, UserError

WEIGHTS = {"state_dict": {"layer.weight": torch.arange(6.0).reshape(2, 3)}}


def one_line(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


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
    "class": Record,
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


# Lightning's own CheckpointIO is put to the same tests of failing disks, and fails them.

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
