"""The option `weights`: a bare state dict to begin from, read as data, checked whole."""

from __future__ import annotations

import copy
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningCLI

from fulmen import UserError
from fulmen_vision import Digits, ImageClassifier, ResNet18, SmallCNN
from fulmen_vision.format_error import FormatError
from fulmen_vision.state_dict_file import load_state_dict_file


def network(seed: int = 0, classes: int = 10) -> SmallCNN:
    torch.manual_seed(seed)
    return SmallCNN(width=4, num_classes=classes)


@pytest.fixture
def file(tmp_path) -> Path:
    torch.save(network(seed=1).state_dict(), tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    theirs = b.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in a.state_dict().items())


def test_a_bare_state_dict_is_loaded_bit_for_bit(file):
    model = ImageClassifier(network(seed=2), 10, weights=str(file))

    assert same(model.network, network(seed=1))
    assert not same(network(seed=2), network(seed=1))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_torchvisions_old_files_load_too(tmp_path, zipped):
    """A plain OrderedDict of parameters, without the counters of batch normalisation."""
    torch.manual_seed(1)
    source = ResNet18(num_classes=2)
    old = OrderedDict((n, t) for n, t in source.state_dict().items() if "num_batches" not in n)
    torch.save(old, tmp_path / "old.pth", _use_new_zipfile_serialization=zipped)
    target = ResNet18(num_classes=2)

    load_state_dict_file(target, tmp_path / "old.pth")

    assert same(source, target)


def test_a_head_for_other_classes_starts_anew(file):
    target = network(seed=2, classes=3)
    load_state_dict_file(target, file, ignore=["head"])

    assert torch.equal(target.head.weight, network(seed=2, classes=3).head.weight)
    assert same(target.features, network(seed=1).features)


def checkpoint(path: Path) -> None:
    torch.save({"state_dict": network().state_dict(), "epoch": 1}, path)


class Payload:
    def __reduce__(self):
        return (exec, ("raise SystemExit('ran')",))


BAD = {
    "missing": (lambda p: p.unlink(), "does not exist; expected a file of weights"),
    "a folder": (lambda p: [p.unlink(), p.mkdir()], "is a folder; expected a file of weights"),
    "empty": (lambda p: p.write_bytes(b""), "cannot be read as weights"),
    "cut short": (lambda p: p.write_bytes(p.read_bytes()[:-400]), "cannot be read as weights"),
    "something else": (lambda p: p.write_text("hello"), "cannot be read as weights"),
    "code": (lambda p: torch.save({"w": Payload()}, p), "cannot be read as weights"),
    "a checkpoint": (checkpoint, "is a checkpoint of a whole run; expected a bare state dict"),
    "a tensor": (lambda p: torch.save(torch.zeros(3), p), "holds a Tensor; expected a bare state dict"),
    "no tensors": (lambda p: torch.save({"lr": 0.1}, p), "holds a dict with 'lr': float; expected a bare"),
    "nothing": (lambda p: torch.save({}, p), "holds an empty dict; expected a bare state dict"),
    "another width": (
        lambda p: torch.save(SmallCNN(width=8).state_dict(), p),
        "features.stem.conv.weight has shape (8, 1, 3, 3) in place of (4, 1, 3, 3)",
    ),
    "a layer less": (
        lambda p: torch.save({n: t for n, t in network().state_dict().items() if n != "head.bias"}, p),
        "is of another network: head.bias is missing; expected the weights of this SmallCNN",
    ),
    "a layer more": (
        lambda p: torch.save(network().state_dict() | {"fc.bias": torch.zeros(1)}, p),
        "fc.bias is unknown",
    ),
    "not a number": (
        lambda p: torch.save(network().state_dict() | {"head.bias": torch.full((10,), torch.nan)}, p),
        "head.bias is not finite",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_one_line_and_nothing_is_overwritten(file, case):
    spoil, expected = BAD[case]
    spoil(file)
    target = network(seed=3)
    before = copy.deepcopy(target)

    with pytest.raises(UserError) as caught:
        ImageClassifier(target, 10, weights=str(file))

    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"model: weights: {file}: ")
    assert expected in message
    assert same(target, before)


def test_a_url_is_not_fetched():
    with pytest.raises(FormatError, match="is a URL; expected a local file"):
        load_state_dict_file(network(), Path("https://example.org/resnet18.pth"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"weights_ignore": ["fc"]}, "weights_ignore is ['fc'] without weights"),
        ({"weights": "FILE", "weights_ignore": ["fc"]}, "the network has no layer or parameter called 'fc'"),
    ],
)
def test_layers_that_are_not_there(file, options, expected):
    options = {name: str(file) if value == "FILE" else value for name, value in options.items()}
    with pytest.raises(UserError) as caught:
        ImageClassifier(network(), 10, **options)

    assert expected in str(caught.value)


def test_a_checkpoint_of_the_run_does_not_ask_for_the_file_again(monkeypatch, tmp_path, file):
    monkeypatch.setattr(sys, "argv", ["cli.py"])
    monkeypatch.chdir(tmp_path)
    cli = LightningCLI(
        save_config_callback=None,
        trainer_defaults={"accelerator": "cpu", "logger": False, "enable_progress_bar": False},
        args=[
            *("fit", "--model=fulmen_vision.ImageClassifier", "--model.network=fulmen_vision.SmallCNN"),
            *("--model.network.width=4", "--model.num_classes=10", f"--model.weights={file}"),
            *("--model.optimizer=SGD", "--model.optimizer.lr=0.0", "--data=fulmen_vision.Digits"),
            *("--trainer.max_epochs=1", "--trainer.limit_train_batches=1", "--trainer.limit_val_batches=0"),
        ],
    )
    path = cli.trainer.checkpoint_callback.best_model_path
    file.unlink()

    loaded = ImageClassifier.load_from_checkpoint(path, weights_only=True)

    assert torch.equal(loaded.network.head.weight, network(seed=1).head.weight)
    assert cli.model.hparams_initial["weights"] == str(file)  # what the loggers write


def test_what_was_loaded_is_what_is_tested(file):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    trainer = Trainer(accelerator="cpu", limit_test_batches=1, **quiet)
    direct = ImageClassifier(network(seed=1), 10)
    loaded = ImageClassifier(network(seed=2), 10, weights=str(file))

    results = [trainer.test(model, Digits(), verbose=False) for model in (direct, loaded)]

    assert results[0] == results[1]
