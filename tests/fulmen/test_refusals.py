"""What Lightning refuses becomes one line."""

from __future__ import annotations

import pytest
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.demos.boring_classes import BoringDataModule, BoringModel

from fulmen import FulmenCLI

FIT = ["fit", "--model=line", "--model.network=affine", "--data=points", "--quiet"]
FIT += ["--trainer.accelerator=cpu", "--trainer.max_epochs=1", "--trainer.logger=false"]


@pytest.mark.parametrize("callback", ["EarlyStopping", "ModelCheckpoint"])
def test_a_metric_that_is_not_logged_is_named_with_those_that_are(callback, installed, run_fulmen):
    installed("good")

    ran = run_fulmen(*FIT, f"--trainer.callbacks+={callback}", "--trainer.callbacks.monitor=val_los")

    assert ran.status == 1  # an epoch was trained before anyone could know
    assert ran.stderr.splitlines()[-1] == (
        f"error: {callback}: monitor: no metric 'val_los'; the model logs val_loss. Did you mean 'val_loss'?"
    )
    assert "Traceback" not in ran.stderr


def test_a_model_that_logs_nothing_is_told_so(run_fulmen):
    boring = "lightning.pytorch.demos.boring_classes"

    ran = run_fulmen(
        *("fit", f"--model={boring}.BoringModel", f"--data={boring}.BoringDataModule", *FIT[4:]),
        *("--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val_loss"),
    )

    assert ran.status == 1
    assert ran.stderr.splitlines()[-1] == (
        "error: EarlyStopping: monitor: no metric 'val_loss'; the model logs no metric (self.log)."
    )


def test_a_script_gets_what_lightning_raises(tmp_path, monkeypatch):
    """Lightning's test_cli.py wants it so."""
    monkeypatch.chdir(tmp_path)
    options = ["--trainer.accelerator=cpu", "--trainer.max_epochs=1", "--trainer.limit_train_batches=1"]

    with pytest.raises(RuntimeError, match="Early stopping conditioned on metric `val_los`"):
        FulmenCLI(
            BoringModel,
            BoringDataModule,
            args=["fit", *options, "--trainer.logger=false", "--trainer.enable_progress_bar=false"],
            trainer_defaults={"callbacks": EarlyStopping("val_los")},
            save_config_callback=None,
        )


def test_a_checkpoint_beyond_the_last_epoch_is_refused_with_the_remedy(installed, run_fulmen, tmp_path):
    installed("good")
    assert run_fulmen(*FIT, "--trainer.max_epochs=3").status == 0

    ran = run_fulmen(*FIT, "--trainer.max_epochs=1", "--ckpt_path=last")

    assert ran.status == 2
    assert ran.stderr.splitlines()[-1].startswith("error: fit: the checkpoint stands at epoch 2, ")
    assert "Set trainer.max_epochs higher" in ran.stderr


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--ckpt_path=best", "error: ckpt_path: 'best' is known only to the run that trained"),
        ("--ckpt_path=hpc", 'error: ckpt_path: `.fit(ckpt_path="hpc")` is set but no HPC checkpoint'),
        ("--trainer.accelerator=tpu", "error: trainer: "),
        (
            "--trainer.max_epoch=3",
            "error: --trainer.max_epoch: no such option; did you mean '--trainer.max_epochs'",
        ),
    ],
)
def test_what_only_lightning_could_refuse_is_one_line(option, line, installed, run_fulmen):
    installed("good")

    ran = run_fulmen(*FIT, option)

    assert ran.status == 2
    assert ran.stderr.splitlines()[-1].startswith(line), ran.stderr
    assert "Traceback" not in ran.stderr
