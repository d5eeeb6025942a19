"""What the user gives stands; what they leave open comes from the checkpoint; differences are said."""

from __future__ import annotations

import sys

import pytest
import torch
import yaml

MODEL = {
    "class_path": "image_classifier",
    "init_args": {"network": {"class_path": "small_cnn", "init_args": {"width": 16}}, "num_classes": 10},
}
TRAINER = {"max_epochs": 1, "accelerator": "cpu", "logger": False, "enable_progress_bar": False}
DATA = {"class_path": "digits", "init_args": {"limit_train": 64}}


@pytest.fixture
def checkpoint(run_fulmen, tmp_path):
    (tmp_path / "fit.yaml").write_text(
        yaml.safe_dump({"seed_everything": 1, "model": MODEL, "data": DATA, "trainer": TRAINER})
    )
    ran = run_fulmen("fit", "--config", "fit.yaml", "--quiet")
    assert ran.status == 0, ran.stderr
    (path,) = tmp_path.glob("checkpoints/*.ckpt")
    return path


def validate(run_fulmen, checkpoint, *options):
    return run_fulmen(
        "validate",
        f"--ckpt_path={checkpoint}",
        "--data=digits",
        "--trainer.logger=false",
        "--quiet",
        *options,
    )


def test_nothing_but_the_checkpoint_is_needed(run_fulmen, checkpoint):
    ran = validate(run_fulmen, checkpoint)

    assert ran.status == 0, ran.stderr
    assert "val_acc" in ran.stdout


def test_a_network_named_without_options_gets_those_it_was_trained_with(run_fulmen, checkpoint):
    ran = validate(run_fulmen, checkpoint, "--model=image_classifier", "--model.network=small_cnn")

    assert ran.status == 0, ran.stderr
    assert "as given" not in ran.stderr


def test_without_a_checkpoint_it_is_said_that_the_weights_are_untrained(run_fulmen, checkpoint, caplog):
    parts = [
        "--model=image_classifier",
        "--model.network=small_cnn",
        "--model.num_classes=10",
        "--data=digits",
    ]
    line = "validate: no ckpt_path is given; the model has the weights that it was built with."
    limits = ["--trainer.limit_val_batches=1", "--trainer.logger=false", "--quiet"]

    assert run_fulmen("validate", *parts, *limits).status == 0
    assert line in caplog.text
    caplog.clear()
    assert run_fulmen("validate", *parts, *limits, f"--ckpt_path={checkpoint}").status == 0
    assert line not in caplog.text


def test_an_option_that_differs_stands_and_is_said(run_fulmen, checkpoint):
    ran = validate(
        run_fulmen,
        checkpoint,
        *("--model=image_classifier", "--model.network=small_cnn", "--model.network.width=8"),
    )

    assert "model.network.width: 8 as given; the checkpoint was trained with 16." in ran.stderr
    assert ran.status == 2
    assert "a checkpoint of another model (ImageClassifier) than ImageClassifier as configured" in ran.stderr


def test_another_class_stands_and_is_said(run_fulmen, checkpoint):
    ran = validate(run_fulmen, checkpoint, "--model=image_classifier", "--model.network=resnet18")

    assert "fulmen_vision.small_cnn.SmallCNN" in ran.stderr
    assert ran.status == 2


def test_the_last_checkpoint_is_refused_where_there_is_none(run_fulmen, checkpoint, tmp_path):
    options = ["--model=image_classifier", "--model.network=small_cnn", "--model.num_classes=10"]

    ran = validate(run_fulmen, "last", *options, f"--trainer.default_root_dir={tmp_path / 'elsewhere'}")

    assert ran.status == 2
    assert "there is no last checkpoint below" in ran.stderr


def test_a_class_that_nobody_vouches_for_is_not_imported(run_fulmen, checkpoint, tmp_path, monkeypatch):
    (tmp_path / "canary_module.py").write_text("raise SystemExit('the canary sang')")
    monkeypatch.syspath_prepend(str(tmp_path))
    content = torch.load(checkpoint, weights_only=True)
    content["hyper_parameters"]["network"] = {"class_path": "canary_module.Canary"}
    torch.save(content, "evil.ckpt")

    ran = validate(run_fulmen, "evil.ckpt")

    assert ran.status == 2
    assert "name the class 'canary_module.Canary', which no installed plugin registers" in ran.stderr
    assert "canary_module" not in sys.modules


MINE = """
from lightning.pytorch.demos.boring_classes import BoringModel

class Mine(BoringModel):
    def __init__(self, width: int = 3):
        super().__init__()
        self.save_hyperparameters()
"""
BORING = "lightning.pytorch.demos.boring_classes"


@pytest.fixture
def own(run_fulmen, tmp_path):
    """A checkpoint of a model in the working directory, and the config that made it."""
    (tmp_path / "mine_kept.py").write_text(MINE)
    trainer = {**TRAINER, "limit_train_batches": 2, "limit_val_batches": 0, "limit_test_batches": 1}
    config = {
        "model": {"class_path": "mine_kept.Mine", "init_args": {"width": 4}},
        "data": f"{BORING}.BoringDataModule",
        "trainer": trainer,
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(config))
    ran = run_fulmen("fit", "--config=own.yaml", "--quiet")
    assert ran.status == 0, ran.stderr
    (path,) = tmp_path.glob("checkpoints/*.ckpt")
    sys.modules.pop("mine_kept", None)
    yield path
    sys.modules.pop("mine_kept", None)


@pytest.mark.parametrize("verb", ["fit", "test"])
def test_a_class_that_the_user_names_too_is_vouched_for(run_fulmen, own, verb):
    ran = run_fulmen(verb, "--config=own.yaml", f"--ckpt_path={own}", "--trainer.max_epochs=2", "--quiet")

    assert ran.status == 0, ran.stderr


def test_what_is_vouched_for_gives_its_options(run_fulmen, own):
    ran = run_fulmen("test", "--model=mine_kept.Mine", f"--ckpt_path={own}", "--print_config")

    assert ran.status == 0, ran.stderr
    assert "width: 4" in ran.stdout  # the class's default is 3


def test_a_checkpoint_of_another_class_is_told_by_its_weights(run_fulmen, own):
    """The other class is nobody's to import, and need not be."""
    (own.parent.parent / "mine_kept.py").write_text("raise SystemExit('imported')")

    ran = run_fulmen(
        *("test", f"--ckpt_path={own}", "--model=image_classifier", "--quiet", "--trainer.logger=false"),
        *("--model.network=small_cnn", "--model.num_classes=10", "--data=digits"),
    )

    assert ran.status == 2
    assert "a checkpoint of another model (Mine) than ImageClassifier as configured" in ran.stderr
    assert "mine_kept" not in sys.modules
