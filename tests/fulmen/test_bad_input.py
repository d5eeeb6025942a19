"""Bad input: the status, the culprit, at most three lines, no traceback, and nothing written over."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

CPU = ["--trainer.accelerator=cpu", "--trainer.max_epochs=1", "--quiet"]
PARTS = ["--model=line", "--model.network=affine", "--data=points"]
CLASSIFIER = ["--model=image_classifier", "--model.network=small_cnn", "--model.num_classes=10"]
FIT = ["fit", *PARTS, *CPU]
ANALYZE = ["analyze", "--analyzer=census", *CPU]
OK = """\
model: {class_path: line, init_args: {network: affine}}
data: points
trainer: {accelerator: cpu, max_epochs: 1}
"""


@dataclass(frozen=True)
class Row:
    """A command line, what its error must name, and the files and plugins that are there."""

    argv: list[str]
    names: list[str]
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    beside: tuple[str, ...] = ()


def config(text: str | bytes, *names: str, verb: str = "fit") -> Row:
    return Row([verb, "--config=bad.yaml", "--quiet"], ["bad.yaml", *names], {"bad.yaml": text})


def bomb() -> str:
    """9^5 * 4 values in 300 bytes."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcd", "bcde", strict=True)
    ]
    return "\n".join([*lines, "f: [*e, *e, *e, *e]"])


COMMAND_LINES = {
    "mistyped verb": Row(["fitt"], ["'fitt'", "'fit'"]),
    "mistyped plugin": Row(["goood", "greet"], ["'goood'", "'good'"]),
    "no verb": Row(["--config=ok.yaml"], ["no verb is given", "fit, validate"], {"ok.yaml": OK}),
    "config without value": Row(["fit", "--config"], ["--config: the name of a YAML file is expected"]),
    "disable without value": Row(["plugins", "--disable"], ["--disable: a value is expected"]),
    "disable an unknown plugin": Row(["--disable=visoin", *FIT], ["--disable", "'visoin'", "'vision'"]),
    "unknown option": Row([*FIT, "--modle=line"], ["--modle", "'--model'"]),
    "unknown trainer option": Row([*FIT, "--trainer.max_epocks=3"], ["'--trainer.max_epochs'"]),
    "a word too many": Row([*FIT, "again"], ["'again'", "a word too many"]),
    "unknown option of a class": Row(
        [*FIT, "--data.cout=3"], ["data.init_args.cout", "RandomPoints", "'count'"]
    ),
    "option of another kind": Row(
        [*FIT, "--model.network.sides=3"], ["sides", "the searcher 'dice' (plugin good)"]
    ),
    "option before a class": Row(
        [*FIT, "--trainer.callbacks.colour=red"], ["'colour'", "no class", "the callback 'salute'"]
    ),
    "missing option": Row(["fit", "--model=line", *CPU], ["model.init_args.network: nothing is given"]),
    "no model": Row(["fit", *CPU], ["model: nothing is given; set --model"]),
    "wrong type": Row([*FIT, "--data.count=many"], ["data.init_args.count", "expected int", "'many'"]),
    "wrong type of a trainer option": Row(
        [*FIT, "--trainer.max_epochs=many"], ["trainer.max_epochs", "int", "'many'"]
    ),
    "negative seed": Row([*FIT, "--seed_everything=-3"], ["seed_everything", "-3", "4294967295"]),
    "mistyped option of plugins": Row(["plugins", "--jsn"], ["'--jsn'", "--json"]),
    "mistyped command": Row(["good", "gret"], ["'gret'", "'greet'"]),
    "command without argument": Row(["good", "greet"], ["name: nothing is given"]),
    "command with a bad option": Row(["good", "greet", "you", "--tims=3"], ["--tims", "'--times'"]),
    "command with a bad value": Row(["good", "greet", "you", "--times=x"], ["times", "expected int", "'x'"]),
    "command that refuses": Row(["good", "refuse", "3"], ["value 3 is refused"]),
}

COMPONENTS = {
    "unknown model": Row(["fit", "--model=lime", *CPU], ["'lime'", "'line'"]),
    "unknown full name": Row(["fit", "--model=good.lime", *CPU], ["'good.lime'", "'good.line'"]),
    "unknown plugin": Row(["fit", "--model=goood.line", *CPU], ["'goood.line'", "'good.line'"]),
    "component of another kind": Row(
        ["fit", "--model=points", *CPU], ["'points'", "kind data", "kind model"]
    ),
    "unknown callback": Row([*FIT, "--trainer.callbacks+=salutte"], ["'salutte'", "'salute'"]),
    "unknown Lightning callback": Row([*FIT, "--trainer.callbacks+=EarlyStoping"], ["'EarlyStopping'"]),
    "unknown nested component": Row(
        ["fit", "--model=line", "--model.network=afine", *CPU], ["'afine'", "'affine'"]
    ),
    "unknown module": Row([*FIT, "--trainer.callbacks+=nowhere.Callback"], ["no module 'nowhere'"]),
    "unknown class of a module": Row(
        [*FIT, "--trainer.callbacks+=lightning.pytorch.callbacks.Nope"],
        ["callbacks.Nope", "no attribute 'Nope'"],
    ),
    "class of another kind": Row(
        [*FIT, "--trainer.callbacks+=torch.nn.Linear"], ["expected a Callback", "torch.nn.Linear"]
    ),
    "unknown strategy": Row([*FIT, "--trainer.strategy=sollo"], ["trainer.strategy", "'sollo'", "'solo'"]),
    "unknown Lightning strategy": Row([*FIT, "--trainer.strategy=dpp"], ["'dpp'", "'ddp'"]),
    "unknown precision": Row([*FIT, "--trainer.precision=17"], ["trainer.precision", "bf16-mixed", "'17'"]),
    "unknown accelerator": Row([*FIT, "--trainer.accelerator=tpuu"], ["tpuu", "cpu"]),
    "unknown profiler": Row([*FIT, "--trainer.profiler=fast"], ["profiler", "simple"]),
    "unknown logger": Row([*FIT, "--trainer.logger=Tensorbord"], ["'Tensorbord'", "'TensorBoardLogger'"]),
    "no devices": Row([*FIT, "--trainer.devices=0"], ["devices", "0"]),
    "too many devices": Row([*FIT, "--trainer.devices=1000"], ["trainer.devices", "1000"]),
    "no nodes": Row([*FIT, "--trainer.num_nodes=0"], ["trainer.num_nodes", "0"]),
    "accumulate nothing": Row([*FIT, "--trainer.accumulate_grad_batches=0"], ["accumulate_grad_batches"]),
    "more than all batches": Row([*FIT, "--trainer.limit_train_batches=1.5"], ["limit_train_batches", "1.5"]),
    "negative epochs": Row([*FIT, "--trainer.max_epochs=-5"], ["max_epochs", "-5"]),
    "no time": Row([*FIT, "--trainer.max_time=soon"], ["soon", "DD:HH:MM:SS"]),
    "no data": Row(["fit", "--model=line", "--model.network=affine", *CPU], ["train_dataloader"]),
    "disabled plugin": Row(["--disable=good", *FIT], ["'line'", "good (disabled"]),
    "disabled plugin by full name": Row(
        ["--disable=good", "fit", "--model=good.line", *CPU], ["'good'", "disabled by"]
    ),
    "broken plugin": Row(
        [*FIT, "--trainer.callbacks+=raising_hook.x"],
        ["raising_hook", "the stars are wrong"],
        beside=("raising_hook",),
    ),
    "two plugins with one name": Row(
        ["fit", "--model=vision.image_classifier", *CPU],
        ["fulmen-taken-name", "fulmen_vision.plugin"],
        beside=("taken_name",),
    ),
    "extra that is not installed": Row(
        [*FIT, "--trainer.callbacks+=missing_extra_part"],
        ["pip install 'fulmen-missing-extra[moon]'"],
        beside=("missing_extra",),
    ),
    "command of a broken plugin": Row(
        ["raising_hook", "do"], ["raising_hook", "the stars are wrong"], beside=("raising_hook",)
    ),
}

CONFIGS = {
    "does not parse": config("model: {class_path: line\ndata: points\n", "line 2"),
    "empty": config("", "empty"),
    "only a comment": config("# nothing\n", "empty"),
    "a list": config("- a\n- b\n", "a list"),
    "a single value": config("hello\n", "'hello'"),
    "a tab": config("model:\n\tclass_path: line\n", "line 2", "tab"),
    "a key twice": config(OK + "data: points\n", "line 4", "'data'", "line 2"),
    "a nested key twice": config("model:\n  init_args:\n    rate: 1\n    rate: 2\n", "line 4", "'rate'"),
    "two documents": config(f"{OK}---\n{OK}", "line 4"),
    "wrong type": config(OK.replace("epochs: 1", "epochs: many"), "trainer.max_epochs", "int", "'many'"),
    "wrong type of an option": config(OK.replace("affine", "affine, rate: fast"), "rate", "float", "'fast'"),
    "unknown key": config(OK + "trainr: {max_epochs: 3}\n", "trainr", "'trainer"),
    "unknown key of nothing": config(OK + "trainr: {}\n", "trainr", "'trainer'"),
    "unknown trainer key": config(OK.replace("max_epochs", "max_epocks"), "'trainer.max_epochs'"),
    "wrong type three classes deep": config(
        "analyzer: {class_path: census, init_args: {callback: {class_path: salute, init_args: {words: 3}}}}",
        "bad.yaml: analyzer.init_args.callback.init_args.words: expected str, got '3'",
        verb="analyze",
    ),
    "unknown option three classes deep": config(
        "analyzer: {class_path: census, init_args: {callback: {class_path: salute, init_args: {wrds: x}}}}",
        "bad.yaml: analyzer.init_args.callback.init_args.wrds: no such option of Salutation",
        verb="analyze",
    ),
    "unknown option": config(OK.replace("affine}", "affine, rat: 3}"), "rat", "LinearRegression", "'rate'"),
    "option of another kind": config(OK.replace("affine}", "affine, sides: 3}"), "sides", "searcher 'dice'"),
    "mistyped init_args": config(OK.replace("init_args", "init_arg"), "model.init_arg", "'init_args'"),
    "mistyped class_path": config(OK.replace("class_path", "classpath"), "model", "class_path", "classpath"),
    "no class": config("model: {init_args: {network: affine}}\n", "model", "'network'", "class_path"),
    "unknown class": config(OK.replace("line", "lime"), "model", "'lime'", "'line'"),
    "unknown class in a list": config(
        OK.replace("cpu", "cpu, callbacks: [salute, salutte]"), "'salutte'", "'salute'"
    ),
    "unknown option in a list": config(
        OK.replace("cpu", "cpu, callbacks: [salute, {class_path: salute, init_args: {wrds: x}}]"),
        "wrds",
        "'words'",
    ),
    "a list for a model": config("model: [line]\n", "model", "LightningModule"),
    "a number for a model": config("model: 3\n", "model", "LightningModule", "'3'"),
    "nothing for the trainer": config(OK.partition("trainer")[0] + "trainer:\n", "trainer", "None"),
    "a list for the trainer": config(OK.partition("trainer")[0] + "trainer: [1]\n", "trainer", "[1]"),
    "negative seed": config(OK + "seed_everything: -3\n", "seed_everything", "-3"),
    "an alias bomb": config(bomb(), "aliases expand"),
    "a cyclic alias": config("a: &a [*a]\n", "line 1", "refers to itself"),
    "deep nesting": config("a: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
    "a tag that runs code": config("a: !!python/object/apply:os.system [ls]\n", "line 1", "os.system"),
    "a number for a key": config(OK + "3: x\n", "the key 3"),
    "a list for a key": config(OK + "[a]: x\n", "line 4"),
    "bytes": config(bytes(range(256)), "UTF-8"),
    "UTF-16": config(OK.encode("utf-16"), "UTF-8"),
    "a NUL": config("a: \0\n", "#x0000"),
    "too large": config("#" + "x" * 5_000_000, "4 MiB"),
    "the block of a verb beside other keys": config(
        "fit: {data: points}\ntrainer: {max_epochs: 1}\n", "'fit'", "'trainer'"
    ),
    "the block of no verb": config("fitt: {data: points}\n", "fitt"),
    "missing": Row(["fit", "--config=config.yml"], ["config.yml", "config.yaml"], {"config.yaml": OK}),
    "a folder": Row(["fit", "--config=."], ["is a folder"]),
    "a URL": Row(["fit", "--config=https://example.com/a"], ["https://example.com/a: ", "local file"]),
    "a URL of another scheme": Row(["fit", "--config=s3://bucket/a.yaml"], ["s3://bucket/a.yaml", "local"]),
    "before the verb, keys that it does not take": Row(
        ["--config=bad.yaml", "fit"], ["bad.yaml", "modle", "'model'"], {"bad.yaml": "modle: line\n"}
    ),
}

FILES = {
    "missing data folder": Row(["fit", *CLASSIFIER, *CPU, "--data=idx", "--data.folder=none"], ["none"]),
    "empty data folder": Row(
        ["fit", *CLASSIFIER, *CPU, "--data=idx", "--data.folder=empty"], ["empty", "train-images-idx3-ubyte"]
    ),
    "no idx file": Row(
        ["fit", *CLASSIFIER, *CPU, "--data=idx", "--data.folder=idx"],
        ["idx/train-images-idx3-ubyte"],
        {
            f"idx/{part}-{what}-ubyte": "hello"
            for part in ("train", "t10k")
            for what in ("images-idx3", "labels-idx1")
        },
    ),
    "missing npz": Row(["fit", *CLASSIFIER, *CPU, "--data=npz", "--data.path=none.npz"], ["none.npz"]),
    "no npz": Row(
        ["fit", *CLASSIFIER, *CPU, "--data=npz", "--data.path=bad.npz"],
        ["bad.npz", ".npz"],
        {"bad.npz": "hello"},
    ),
    "labels outside the classes": Row(
        ["fit", *CLASSIFIER, *CPU, "--data=npz", "--data.path=fives.npz", "--data.num_classes=5"],
        ["fives.npz", "label 5", "0 to 4"],
    ),
    "npz without labels": Row(
        ["fit", *CLASSIFIER, *CPU, "--data=npz", "--data.path=unlabelled.npz"],
        ["unlabelled.npz", "train_labels"],
    ),
    "a batch of nothing": Row(
        ["fit", *CLASSIFIER, *CPU, "--data=digits", "--data.batch_size=0"], ["batch_size is 0"]
    ),
    "missing checkpoint": Row(
        ["validate", *PARTS, *CPU, "--ckpt_path=none.ckpt"], ["none.ckpt", "no such checkpoint"]
    ),
    "missing checkpoint to go on from": Row(
        [*FIT, "--ckpt_path=none.ckpt"], ["none.ckpt", "no such checkpoint"]
    ),
    "truncated checkpoint": Row([*FIT, "--ckpt_path=short.ckpt"], ["short.ckpt", "cut short"]),
    "empty checkpoint": Row(
        [*FIT, "--ckpt_path=empty.ckpt"], ["empty.ckpt", "empty file"], {"empty.ckpt": ""}
    ),
    "no checkpoint": Row(
        [*FIT, "--ckpt_path=text.ckpt"], ["text.ckpt", "not a checkpoint"], {"text.ckpt": "hello"}
    ),
    "checkpoint of another model": Row(
        ["validate", *CLASSIFIER, *CPU, "--data=digits", "--ckpt_path=line.ckpt"],
        ["line.ckpt", "another model", "than ImageClassifier as configured (missing: ", " more). "],
    ),
    "checkpoint of other shapes": Row(
        [*FIT, "--model.network.features=3", "--ckpt_path=line.ckpt"],
        ["network.layer.weight (1x2, expected 1x3)"],
    ),
    "checkpoint that needs pickle": Row(
        [*FIT, "--ckpt_path=pickle.ckpt"], ["pickle.ckpt", "--trust-checkpoint"]
    ),
    "checkpoint that names a module": Row(
        ["validate", "--data=points", *CPU, "--ckpt_path=canary.ckpt"],
        ["canary.ckpt", "canary_module.Canary"],
    ),
    "checkpoint by URL": Row(
        [*FIT, "--ckpt_path=https://example.com/a.ckpt"], ["https://example.com/a.ckpt"]
    ),
    "output below a file": Row([*FIT, "--trainer.default_root_dir=file/x"], ["file"], {"file": "old"}),
    "output that is a file": Row([*FIT, "--trainer.default_root_dir=file"], ["file"], {"file": "old"}),
    "output where no file can be": Row(
        [*FIT, "--trainer.default_root_dir=/proc/fulmen"], ["/proc: cannot be written"]
    ),
    "log below a file": Row(
        [*FIT, "--trainer.logger=CSVLogger", "--trainer.logger.save_dir=file/x"], ["file"], {"file": "old"}
    ),
    "analyze without an analyzer": Row(["analyze", *CPU], ["analyzer: nothing is given; set --analyzer"]),
    "unknown analyzer": Row(["analyze", "--analyzer=censuss", *CPU], ["'censuss'", "'census'"]),
    "callback for an analyzer": Row(
        ["analyze", "--analyzer=salute", *CPU], ["kind callback", "kind analyzer"]
    ),
    "unknown option of an analyzer": Row([*ANALYZE, "--analyzer.scal=3"], ["scal", "'scale'"]),
    "analyzer that needs a model": Row(["analyze", "--analyzer=weight_distribution", *CPU], ["no model"]),
    "checkpoint without a model": Row([*ANALYZE, "--ckpt_path=line.ckpt"], ["line.ckpt", "--model"]),
    "run in a folder of something else": Row(
        [*ANALYZE, "--run=mine"], ["mine: is no run folder"], {"mine/thesis.tex": "old"}
    ),
    "run in a file": Row([*ANALYZE, "--run=file"], ["file: is a file"], {"file": "old"}),
    "run below a file": Row([*ANALYZE, "--run=file/x"], ["file"], {"file": "old"}),
    "unfinished run of another config": Row(
        [*ANALYZE, "--run=other"],
        ["other", "another config", "--fresh"],
        {"other/status.json": '{"state": "running", "verb": "analyze", "digest": "0"}'},
    ),
    "damaged run": Row(
        [*ANALYZE, "--run=other"], ["other/status.json", "damaged"], {"other/status.json": "{"}
    ),
}

TABLES = {"command line": COMMAND_LINES, "component": COMPONENTS, "config": CONFIGS, "file": FILES}
ROWS = {f"{table}: {name}": row for table, rows in TABLES.items() for name, row in rows.items()}


def test_the_table_is_long_enough():
    assert len(ROWS) >= 60


@pytest.mark.parametrize("name", ROWS)
def test_it_is_refused_in_at_most_three_lines(name, shelf, installed, run_fulmen, tmp_path):
    row = ROWS[name]
    installed("good", *row.beside)
    lay_out(shelf, tmp_path, row.files)
    before = listing(tmp_path)

    ran = run_fulmen(*row.argv)

    lines = ran.stderr.splitlines()
    assert ran.status == 2, ran.stderr
    assert len(lines) <= 3, ran.stderr
    assert lines[-1].startswith("error: ")
    assert [expected for expected in row.names if expected not in lines[-1]] == [], lines[-1]
    assert "Traceback" not in ran.stderr
    after = listing(tmp_path)
    assert {path: after.get(path) for path in before} == before
    # Lightning opens the log of a run before the run asks for data.
    assert {path.split("/")[0] for path in after.keys() - before.keys()} <= {"lightning_logs", "runs"}


def test_a_run_that_another_process_works_on_is_refused(installed, run_fulmen, tmp_path):
    installed("good")
    (tmp_path / "busy").mkdir()
    with (tmp_path / "busy" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        ran = run_fulmen(*ANALYZE, "--run=busy")

    assert ran.status == 2
    (line,) = ran.stderr.splitlines()
    assert line.startswith("error: busy: another process is working on this run")


class Pickled:
    """Runs a command where it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch canary",)


@pytest.fixture(scope="module")
def shelf(third_party, tmp_path_factory):
    """Files that take a while to make: a checkpoint and what was made of it, images."""
    from lightning.pytorch import Trainer

    folder = tmp_path_factory.mktemp("shelf")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(str(third_party("good")))
        from fulmen_good.parts import AffineMap, LinearRegression, RandomPoints

        trainer = Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            default_root_dir=folder / "fit",
        )
        trainer.fit(LinearRegression(AffineMap()), RandomPoints())
        trainer.save_checkpoint(folder / "line.ckpt")
    whole = torch.load(folder / "line.ckpt", weights_only=True)
    (folder / "short.ckpt").write_bytes((folder / "line.ckpt").read_bytes()[:900])
    torch.save({**whole, "more": Pickled()}, folder / "pickle.ckpt")
    torch.save({**whole, "hyper_parameters": {"_class_path": "canary_module.Canary"}}, folder / "canary.ckpt")
    (folder / "canary_module.py").write_text("open('canary', 'w').close()")
    (folder / "empty").mkdir()
    images, labels = np.zeros((20, 8, 8), np.uint8), np.arange(20) % 10
    arrays = {f"{split}_images": images for split in ("train", "val", "test")}
    np.savez(folder / "unlabelled.npz", **arrays)
    np.savez(
        folder / "fives.npz", **arrays, **{f"{split}_labels": labels for split in ("train", "val", "test")}
    )
    return folder


def lay_out(shelf: Path, folder: Path, files: Mapping[str, str | bytes]) -> None:
    for entry in shelf.iterdir():
        (folder / entry.name).symlink_to(entry)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def listing(folder: Path) -> dict[str, bytes | None]:
    """Return each path with what it holds."""
    paths = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in paths}
