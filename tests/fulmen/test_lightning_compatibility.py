"""Configs written for LightningCLI give the same losses, to the last bit, with fulmen."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest
import torch
import yaml
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningCLI
from torch.utils.data import DataLoader, TensorDataset

from fulmen import FulmenCLI, Runner
from fulmen.__main__ import main


class PlainModel(LightningModule):
    def __init__(self, width: int = 4, lr: float = 0.1, dim: int = 3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(dim, width), torch.nn.Dropout(0.1), torch.nn.Linear(width, 1)
        )
        self.lr = lr

    def training_step(self, batch):
        loss = torch.nn.functional.mse_loss(self.layers(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch):
        self.log("val_loss", torch.nn.functional.mse_loss(self.layers(batch[0]), batch[1]))

    test_step = validation_step

    def predict_step(self, batch):
        return self.layers(batch[0])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.lr)


class Noise(LightningDataModule):
    def __init__(self, size: int = 24, batch_size: int = 4, dim: int = 3) -> None:
        super().__init__()
        self.size, self.batch_size, self.dim = size, batch_size, dim

    def loader(self, shuffle=False):
        generator = torch.Generator().manual_seed(7)
        x = torch.randn(self.size, self.dim, generator=generator)
        data = TensorDataset(x, x.sum(1, keepdim=True))
        return DataLoader(data, batch_size=self.batch_size, shuffle=shuffle)

    def train_dataloader(self):
        return self.loader(shuffle=True)

    val_dataloader = test_dataloader = predict_dataloader = loader


HERE = __name__
MODEL, DATA = f"{HERE}.PlainModel", f"{HERE}.Noise"
BASE = {
    "seed_everything": 5,
    "model": {"class_path": MODEL, "init_args": {"width": 6}},
    "data": {"class_path": DATA},
    "trainer": {
        "accelerator": "cpu",
        "max_epochs": 2,
        "logger": {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": "logs"}},
        "log_every_n_steps": 1,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    },
}
ADAM = {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.02}}
STEP = {"class_path": "torch.optim.lr_scheduler.StepLR", "init_args": {"step_size": 1}}
STOPPING = {"class_path": "EarlyStopping", "init_args": {"monitor": "val_loss", "patience": 1}}
LAST = {"class_path": "ModelCheckpoint", "init_args": {"save_last": True, "dirpath": "saved"}}


def with_trainer(**options):
    return {**BASE, "trainer": {**BASE["trainer"], **options}}


# name: the files in order, the command line after them
CASES = {
    "one file": ([BASE], []),
    "short class names": ([{**BASE, "model": "PlainModel", "data": "Noise"}], []),
    "options over the file": ([BASE], ["--model.lr=0.01", "--trainer.max_epochs=3", "--data.batch_size=6"]),
    "two files": ([BASE, {"trainer": {"max_epochs": 1}, "model": {"init_args": {"lr": 0.5}}}], []),
    "a model by option": ([{**BASE, "model": None}], [f"--model={MODEL}", "--model.width=3"]),
    "optimiser from YAML": ([{**BASE, "optimizer": ADAM}], []),
    "optimiser and scheduler": ([{**BASE, "optimizer": ADAM, "lr_scheduler": STEP}], []),
    "optimiser by option": ([BASE], ["--optimizer=Adam", "--optimizer.lr=0.003"]),
    "callbacks": ([with_trainer(callbacks=[STOPPING])], []),
    "one more callback": (
        [with_trainer(callbacks=[STOPPING])],
        ["--trainer.callbacks+=LearningRateMonitor", "--trainer.callbacks.logging_interval=epoch"],
    ),
    "edit the last callback": ([with_trainer(callbacks=[STOPPING])], ["--trainer.callbacks.patience=3"]),
    "accumulation and clipping": (
        [with_trainer(accumulate_grad_batches=2, gradient_clip_val=0.5)],
        ["--trainer.precision=bf16-mixed"],
    ),
    "strategy by name": ([with_trainer(strategy="auto", devices=1)], []),
    "strategy by class": (
        [
            with_trainer(
                strategy={
                    "class_path": "lightning.pytorch.strategies.SingleDeviceStrategy",
                    "init_args": {"device": "cpu"},
                }
            )
        ],
        [],
    ),
    "profiler": ([with_trainer(profiler="simple")], []),
}


def write(folder: Path, documents: list[dict]) -> list[str]:
    options = []
    for number, document in enumerate(documents):
        path = folder / f"config{number}.yaml"
        path.write_text(yaml.safe_dump(document))
        options += ["--config", str(path)]
    return options


def losses(folder: Path) -> list[dict[str, str]]:
    (path,) = sorted(folder.glob("logs/**/metrics.csv"))
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert any(row.get("train_loss") for row in rows)
    return rows


def run_with(cli, folder, monkeypatch, argv, *args, **kwargs):
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["any.py", *argv])
    return cli(*args, **kwargs)


@pytest.mark.parametrize("case", CASES)
def test_a_config_gives_the_losses_of_lightning_cli(case, tmp_path, monkeypatch):
    documents, options = CASES[case]
    argv = ["fit", *write(tmp_path, documents), *options]

    run_with(LightningCLI, tmp_path / "theirs", monkeypatch, argv)
    run_with(FulmenCLI, tmp_path / "ours", monkeypatch, argv)
    status = run_with(main, tmp_path / "command", monkeypatch, argv, argv)

    assert status == 0
    assert losses(tmp_path / "ours") == losses(tmp_path / "theirs")
    assert losses(tmp_path / "command") == losses(tmp_path / "theirs")


def test_a_bound_model_with_links_gives_the_same_losses(tmp_path, monkeypatch):
    def linked(base):
        class Linked(base):
            def add_arguments_to_parser(self, parser):
                parser.link_arguments("data.dim", "model.dim")

        return Linked

    config = {**BASE, "model": {"width": 5}, "data": {"dim": 4}}
    argv = ["fit", *write(tmp_path, [config])]

    for base, name in ((LightningCLI, "theirs"), (FulmenCLI, "ours")):
        cli = run_with(linked(base), tmp_path / name, monkeypatch, argv, PlainModel, Noise)
        assert cli.model.layers[0].in_features == 4
    assert losses(tmp_path / "ours") == losses(tmp_path / "theirs")


def test_a_resumed_run_gives_the_same_losses(tmp_path, monkeypatch):
    config = with_trainer(callbacks=[LAST], max_epochs=1)
    first = ["fit", *write(tmp_path, [config])]
    more = [
        *first,
        "--trainer.max_epochs=3",
        "--ckpt_path=saved/last.ckpt",
        "--trainer.logger.save_dir=logs2",
    ]

    for cli, name in ((LightningCLI, "theirs"), (FulmenCLI, "ours")):
        run_with(cli, tmp_path / name, monkeypatch, first)
        monkeypatch.setattr(sys, "argv", ["any.py", *more])
        assert cli().trainer.current_epoch == 3
        (tmp_path / name / "logs").rename(tmp_path / name / "first")
        (tmp_path / name / "logs2").rename(tmp_path / name / "logs")
    assert losses(tmp_path / "ours") == losses(tmp_path / "theirs")


@pytest.mark.parametrize("verb", ["validate", "test", "predict"])
def test_the_other_verbs_give_the_same(verb, tmp_path, monkeypatch):
    argv = [verb, *write(tmp_path, [BASE])]

    results = {}
    for cli, name in ((LightningCLI, "theirs"), (FulmenCLI, "ours")):
        made = run_with(cli, tmp_path / name, monkeypatch, argv)
        results[name] = dict(made.trainer.callback_metrics)
        if verb == "predict":
            results[name] = made.trainer.predict_loop.predictions
    assert str(results["ours"]) == str(results["theirs"])
    assert results["ours"]


def test_print_config_is_the_same_but_for_the_trainer_class(tmp_path, monkeypatch, capsys):
    argv = ["fit", *write(tmp_path, [BASE]), "--print_config"]
    printed = []
    for cli, name in ((LightningCLI, "theirs"), (FulmenCLI, "ours")):
        with pytest.raises(SystemExit) as exit_:
            run_with(cli, tmp_path / name, monkeypatch, argv)
        assert not exit_.value.code
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert yaml.safe_load(printed[0])["trainer"]["max_epochs"] == 2


def test_environment_variables_work_as_in_lightning_cli(tmp_path, monkeypatch):
    monkeypatch.setenv("PL_FIT__TRAINER__MAX_EPOCHS", "4")
    argv = ["fit", *write(tmp_path, [{**BASE, "trainer": {**BASE["trainer"], "max_epochs": None}}])]
    document = yaml.safe_load((tmp_path / "config0.yaml").read_text())
    del document["trainer"]["max_epochs"]
    write(tmp_path, [document])

    epochs = []
    for cli, name in ((LightningCLI, "theirs"), (FulmenCLI, "ours")):
        made = run_with(cli, tmp_path / name, monkeypatch, argv, parser_kwargs={"default_env": True})
        epochs.append(made.trainer.max_epochs)
    assert epochs == [4, 4]


def test_the_command_reads_environment_variables_once_one_is_set(tmp_path, monkeypatch):
    document = {**BASE, "trainer": {k: v for k, v in BASE["trainer"].items() if k != "max_epochs"}}
    argv = ["fit", *write(tmp_path, [document])]
    monkeypatch.setenv("FULMEN_FIT__TRAINER__MAX_EPOCHS", "1")

    assert run_with(main, tmp_path / "command", monkeypatch, argv, argv) == 0

    assert {row["epoch"] for row in losses(tmp_path / "command")} == {"0"}


def test_options_win_over_files_wherever_they_stand(tmp_path, monkeypatch):
    files = write(tmp_path, [BASE])
    argv = ["fit", "--trainer.max_epochs=1", *files]

    assert run_with(main, tmp_path / "command", monkeypatch, argv, argv) == 0

    assert {row["epoch"] for row in losses(tmp_path / "command")} == {"0"}


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("block", [True, False])
def test_a_file_may_stand_before_or_after_the_verb_with_or_without_its_block(
    place, block, tmp_path, monkeypatch
):
    files = write(tmp_path, [{"fit": BASE} if block else BASE])
    argv = [*files, "fit"] if place == "before" else ["fit", *files]

    assert run_with(main, tmp_path / "command", monkeypatch, argv, argv) == 0
    assert losses(tmp_path / "command")


def test_given_options_win_over_the_checkpoint_and_the_difference_is_said(tmp_path, monkeypatch, capsys):
    config = with_trainer(callbacks=[LAST], max_epochs=1)
    argv = ["fit", *write(tmp_path, [config]), "--model.lr=0.02"]
    run_with(main, tmp_path / "command", monkeypatch, argv, argv)
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["any.py", *argv, "--model.lr=0.7", "--ckpt_path=saved/last.ckpt"])

    cli = FulmenCLI()

    assert cli.model.hparams.lr == 0.7
    assert "model.lr: 0.7 as given; the checkpoint was trained with 0.02." in capsys.readouterr().err


def test_a_checkpoint_names_its_model_where_the_user_names_none(tmp_path, monkeypatch, capsys):
    config = with_trainer(callbacks=[LAST], max_epochs=1)
    argv = ["fit", *write(tmp_path, [config]), "--model.width=9"]
    run_with(main, tmp_path / "command", monkeypatch, argv, argv)

    argv = ["validate", "--ckpt_path=saved/last.ckpt", f"--data={DATA}", "--trainer.logger=false"]
    assert main(argv) == 0

    assert "val_loss" in capsys.readouterr().out


def test_the_runner_is_a_trainer(tmp_path):
    torch.manual_seed(0)
    options = {"max_epochs": 1, "logger": False, "enable_checkpointing": False, "accelerator": "cpu"}
    models = []
    for trainer_class in (Trainer, Runner):
        torch.manual_seed(1)
        models.append(PlainModel())
        trainer_class(**options, enable_progress_bar=False, default_root_dir=tmp_path).fit(
            models[-1], Noise()
        )
    for ours, theirs in zip(models[1].parameters(), models[0].parameters(), strict=True):
        assert torch.equal(ours, theirs)
