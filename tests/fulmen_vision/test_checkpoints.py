"""A resumed run ends as an uninterrupted one, and a checkpoint is plain data that rebuilds its model."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningCLI

from fulmen_vision import Digits, ImageClassifier, SmallCNN

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:lightning", "ignore::UserWarning:torchmetrics")

QUIET = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}


def model() -> ImageClassifier:
    return ImageClassifier(
        SmallCNN(width=8),
        num_classes=10,
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=0.003),
        scheduler=lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3),
    )


def train(resume: Path | None = None, callbacks=(), **options) -> dict[str, torch.Tensor]:
    seed_everything(1, verbose=False)
    defaults = {**QUIET, "max_epochs": 3, "num_sanity_val_steps": 0, "callbacks": list(callbacks)}
    trainer = Trainer(**(defaults | options))
    classifier = model()
    trainer.fit(classifier, Digits(limit_train=300), ckpt_path=resume, weights_only=True)
    return classifier.state_dict()


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


# An epoch has 5 batches: steps 3, 7 and 11 are within epochs, 5 is the last batch of one.
@pytest.mark.parametrize("step", [3, 5, 7, 11])
def test_a_run_resumed_at_any_step_ends_with_the_same_weights(tmp_path, step):
    saver = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=step, save_top_k=-1)
    whole = train(callbacks=[saver])

    resumed = train(resume=tmp_path / f"step={step}.ckpt", enable_checkpointing=False)

    assert_same(resumed, whole)


@pytest.mark.parametrize("options", [{"limit_train_batches": 3}, {"max_epochs": -1, "max_steps": 12}])
def test_a_run_resumed_between_epochs_ends_with_the_same_weights(tmp_path, options):
    saver = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1, save_on_train_epoch_end=True)
    whole = train(callbacks=[saver], **options)

    resumed = train(resume=tmp_path / "epoch=0.ckpt", enable_checkpointing=False, **options)

    assert_same(resumed, whole)


def test_accumulated_gradients_resume_too(tmp_path):
    saver = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=2, save_top_k=-1)
    whole = train(callbacks=[saver], accumulate_grad_batches=2)

    resumed = train(resume=tmp_path / "step=4.ckpt", accumulate_grad_batches=2, enable_checkpointing=False)

    assert_same(resumed, whole)


def run_cli(monkeypatch, folder: Path, *arguments: str) -> LightningCLI:
    monkeypatch.setattr(sys, "argv", ["cli.py"])
    monkeypatch.chdir(folder)
    command, *options = arguments
    return LightningCLI(
        save_config_callback=None,
        trainer_defaults=QUIET | {"max_epochs": 1, "limit_train_batches": 2, "limit_val_batches": 2},
        args=[
            command,
            "--seed_everything=1",
            "--model=fulmen_vision.ImageClassifier",
            "--model.network=fulmen_vision.SmallCNN",
            "--model.network.width=8",
            "--model.num_classes=10",
            "--data=fulmen_vision.Digits",
            f"--trainer.default_root_dir={folder}",
            *options,
        ],
    )


@pytest.fixture
def trained(monkeypatch, tmp_path) -> Path:
    """A checkpoint of a run in plain LightningCLI, everything from options."""
    cli = run_cli(
        monkeypatch,
        tmp_path,
        "fit",
        "--model.loss=torch.nn.CrossEntropyLoss",
        "--model.loss.label_smoothing=0.1",
        "--model.optimizer=SGD",
        "--model.optimizer.lr=0.05",
        "--model.scheduler=lightning.pytorch.cli.ReduceLROnPlateau",
        "--model.scheduler.monitor=val_f1",
    )
    assert type(cli.trainer.optimizers[0]) is torch.optim.SGD
    assert cli.trainer.lr_scheduler_configs[0].monitor == "val_f1"
    return Path(cli.trainer.checkpoint_callback.best_model_path)


def test_a_checkpoint_rebuilds_its_model(trained):
    rebuilt = ImageClassifier.load_from_checkpoint(trained, weights_only=True)

    assert rebuilt.loss.label_smoothing == 0.1
    assert rebuilt.optimizer(rebuilt.parameters()).defaults["lr"] == 0.05
    assert_same(rebuilt.state_dict(), torch.load(trained, weights_only=True)["state_dict"])


def test_a_checkpoint_holds_plain_data_alone(trained):
    def plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(plain(part) for pair in value.items() for part in pair)
        return (
            all(map(plain, value)) if isinstance(value, list) else isinstance(value, str | int | float | None)
        )

    hyperparameters = torch.load(trained, weights_only=True)["hyper_parameters"]

    assert plain(hyperparameters)
    assert hyperparameters["network"]["init_args"]["width"] == 8


def test_lightning_cli_resumes_and_tests_its_checkpoint(monkeypatch, tmp_path, trained):
    resumed = run_cli(monkeypatch, tmp_path, "fit", f"--ckpt_path={trained}", "--trainer.max_epochs=2")
    tested = run_cli(monkeypatch, tmp_path, "test", f"--ckpt_path={trained}")

    assert resumed.trainer.current_epoch == 2
    assert set(tested.trainer.callback_metrics) == {"test_loss", "test_acc", "test_f1", "test_auroc"}


def test_lightning_cli_tests_a_checkpoint_of_a_model_made_in_python(monkeypatch, tmp_path):
    trainer = Trainer(**QUIET, max_epochs=1, limit_train_batches=2, default_root_dir=tmp_path)
    made = ImageClassifier(SmallCNN(width=8), num_classes=10)
    trainer.fit(made, Digits())
    path = trainer.checkpoint_callback.best_model_path

    tested = run_cli(monkeypatch, tmp_path, "test", f"--ckpt_path={path}")

    assert_same(tested.model.state_dict(), made.state_dict())
    loaded = ImageClassifier.load_from_checkpoint(path, network=SmallCNN(width=8), num_classes=10)
    assert_same(loaded.state_dict(), made.state_dict())


def test_the_optimizer_of_lightning_cli_overrides_the_models(monkeypatch, tmp_path):
    cli = run_cli(
        monkeypatch,
        tmp_path,
        *("fit", "--optimizer=Adagrad", "--optimizer.lr=0.01"),
        *("--lr_scheduler=StepLR", "--lr_scheduler.step_size=1", "--lr_scheduler.gamma=0.5"),
    )

    assert type(cli.trainer.optimizers[0]) is torch.optim.Adagrad
    assert cli.trainer.optimizers[0].param_groups[0]["lr"] == 0.005


def test_the_learning_rate_alone_can_be_changed(monkeypatch, tmp_path):
    cli = run_cli(monkeypatch, tmp_path, "fit", "--model.optimizer.lr=0.007")

    assert type(cli.trainer.optimizers[0]) is torch.optim.Adam
    assert cli.trainer.optimizers[0].param_groups[0]["lr"] == 0.007
