"""Promise: a run goes on from its checkpoint, and from no other's."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.strategies import SingleDeviceStrategy

from fulmen.checkpoints import (
    CheckpointConnector,
    WholeFileCheckpointIO,
    check_state_dict,
    install_checkpoint_io,
)
from fulmen.errors import CheckpointError

WEIGHTS = {"state_dict": {"layer.weight": torch.arange(6.0).reshape(2, 3)}}


def one_line(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


class Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


class Model(BoringModel):
    def __init__(self, width: int = 2) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(32, width)


def trainer(folder: Path, **options: Any) -> pl.Trainer:
    made = pl.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_train_batches=2,
        limit_val_batches=0,
        **{"max_epochs": 1, "logger": False, **options},
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
    torch.save({**WEIGHTS, "x": Runs(f"touch {canary}")}, tmp_path / "a.ckpt")

    with pytest.raises(CheckpointError, match="needs pickle"):
        trainer(tmp_path).fit(Model(), ckpt_path=tmp_path / "a.ckpt")
    assert not canary.exists()


class Unpickles(SingleDeviceStrategy):
    """A strategy that loads checkpoints by means of its own, as FSDP does."""

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        return torch.load(checkpoint_path, weights_only=False)


def test_a_strategy_that_unpickles_is_not_reached(tmp_path, fitted):
    canary = tmp_path / "canary"
    torch.save({**WEIGHTS, "x": Runs(f"touch {canary}")}, tmp_path / "b.ckpt")

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
    assert "of another shape: layer.weight (2x32, expected 3x32), layer.bias (2, expected 3)" in line


def test_at_most_ten_differing_keys_are_listed():
    model = torch.nn.Sequential(*(torch.nn.Linear(1, 1) for _ in range(8)))
    with pytest.raises(CheckpointError) as refused:
        check_state_dict(model, {"state_dict": {"other": torch.zeros(1)}}, "a.ckpt")
    line = one_line(refused.value)

    assert "than Sequential as configured (missing: 0.weight, " in line
    assert line.count(".weight") + line.count(".bias") == 10
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


def test_last_is_the_newest_checkpoint_of_the_earlier_runs(tmp_path):
    """Lightning looks into the folder of the new run alone, and starts anew."""
    logger = partial(CSVLogger, tmp_path, "runs")
    trainer(tmp_path, logger=logger()).fit(Model())
    trainer(tmp_path, logger=logger(), max_epochs=2).fit(Model())

    resumed = trainer(tmp_path, logger=logger(), max_epochs=3)
    resumed.fit(Model(), ckpt_path="last")

    assert resumed.current_epoch == 3
    assert resumed.ckpt_path.endswith("version_1/checkpoints/epoch=1-step=4.ckpt")


def test_last_looks_where_the_callbacks_and_the_trainer_keep_checkpoints(tmp_path):
    for folder, callbacks in (("own", [ModelCheckpoint(tmp_path / "own")]), ("checkpoints", [])):
        trainer(tmp_path, callbacks=callbacks).fit(Model())
        resumed = trainer(tmp_path, callbacks=callbacks, max_epochs=2)

        resumed.test(Model(), ckpt_path="last")

        assert Path(resumed.ckpt_path).parent == tmp_path / folder


def test_last_passes_over_a_file_that_is_cut_short(tmp_path, fitted, caplog):
    (tmp_path / "checkpoints" / "newer.ckpt").write_bytes(fitted.read_bytes()[:900])
    (tmp_path / "checkpoints" / ".newest.ckpt").write_bytes(fitted.read_bytes())
    resumed = trainer(tmp_path, max_epochs=2)

    resumed.fit(Model(), ckpt_path="last")

    assert re.search("passed over: .*newer.ckpt: damaged or cut short", caplog.text)

    assert Path(resumed.ckpt_path).name == "epoch=0-step=2.ckpt"


def test_a_fit_begins_where_there_is_no_last_checkpoint_and_says_so(tmp_path, caplog):
    fit = trainer(tmp_path)

    fit.fit(Model(), ckpt_path="last")

    assert "no last checkpoint of an earlier run; the training starts anew" in caplog.text
    assert fit.global_step == 2
    with pytest.raises(CheckpointError, match="there is no last checkpoint below"):
        trainer(tmp_path / "elsewhere").test(Model(), ckpt_path="last")
