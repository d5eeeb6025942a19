"""The verb ``analyze``: load, examine, deliver; from Python and from the command line."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import CSVLogger

from fulmen import Analyzer, Report, Runner
from fulmen.errors import CheckpointError, UserError


def norm(item):
    if Path(item["stop"]).exists():
        raise RuntimeError("stopped")
    with Path(item["log"]).open("a") as file:
        file.write(item["name"] + "\n")
    return item["value"]


class Norms(Analyzer):
    """Measures parameters.

    Args:
        folder: Where it logs what it measures.
        scale: What a norm is multiplied by.
    """

    def __init__(self, folder: str, scale: float = 1.0) -> None:
        self.folder, self.scale = Path(folder), scale

    def analyze(self, context):
        torch.manual_seed(1)
        random.random()
        names = [] if context.model is None else [name for name, _ in context.model.named_parameters()]
        values = {} if context.model is None else dict(context.model.named_parameters())
        items = [
            {
                "name": name,
                "value": float(values[name].norm()),
                "log": str(self.folder / "log"),
                "stop": str(self.folder / f"stop-{name}"),
            }
            for name in names
        ]
        measured = context.map(norm, items, "norms")
        return Report(
            title="norms",
            scalars={"total": self.scale * sum(measured), "seed": context.seed},
            tables={"norms": pd.DataFrame({"name": names, "norm": measured})},
            findings=[f"{len(names)} parameters on {context.device}"],
        )


@pytest.fixture
def runner(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Runner(accelerator="cpu", logger=CSVLogger("logs"), enable_progress_bar=False)


def test_from_python_it_returns_the_report_and_writes_it(runner, tmp_path):
    report = runner.analyze(Norms(str(tmp_path)), BoringModel(), run="here", quiet=True)

    loaded = Report.load("here")
    assert loaded.scalars == report.scalars
    pd.testing.assert_frame_equal(loaded.tables["norms"], report.tables["norms"])
    assert json.loads(Path("here/status.json").read_text())["state"] == "done"
    assert yaml.safe_load(Path("here/config.yaml").read_text())["versions"]["torch"]


def test_a_finished_run_is_not_touched(runner, tmp_path):
    for _ in range(2):
        runner.analyze(Norms(str(tmp_path)), BoringModel(), run="here", quiet=True)

    assert Report.load("here").scalars != Report.load("here-2").scalars  # other weights
    assert (tmp_path / "log").read_text().split() == 2 * ["layer.weight", "layer.bias"]


def test_a_failed_analysis_goes_on_where_it_was(runner, tmp_path):
    model = BoringModel()
    (tmp_path / "stop-layer.bias").touch()
    with pytest.raises(RuntimeError, match="stopped"):
        runner.analyze(Norms(str(tmp_path)), model, run="here", quiet=True)
    (tmp_path / "stop-layer.bias").unlink()

    runner.analyze(Norms(str(tmp_path)), model, run="here", quiet=True)

    assert (tmp_path / "log").read_text().split() == ["layer.weight", "layer.bias"]
    assert not Path("here-2").exists()


@pytest.mark.parametrize("kept", [0, 1])
def test_a_refused_analysis_keeps_its_folder_only_if_work_is_in_it(runner, tmp_path, kept):
    """Otherwise the command with the mended option would be told that another run holds the folder."""

    class Refuses(Norms):
        """Refuses what it finds out about late."""

        def analyze(self, context):
            context.map(
                norm, [{"name": "a", "value": 1.0, "log": str(tmp_path / "log"), "stop": "-"}] * kept, "a"
            )
            raise UserError("analyzer: no such thing.")

    with pytest.raises(UserError, match="no such thing"):
        runner.analyze(Refuses(str(tmp_path)), BoringModel(), run="here", quiet=True)

    assert Path("here").exists() == bool(kept)


def test_the_callers_random_state_is_left_alone(runner, tmp_path):
    model = BoringModel()
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()

    runner.analyze(Norms(str(tmp_path)), model, quiet=True)

    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert random.getstate() == before[2]


def test_the_checkpoints_weights_are_examined(runner, tmp_path):
    trained, other = BoringModel(), BoringModel()
    torch.save({"state_dict": trained.state_dict(), "pytorch-lightning_version": "2.6.6"}, "a.ckpt")

    report = runner.analyze(Norms(str(tmp_path)), other, ckpt_path="a.ckpt", quiet=True)

    expected = sum(float(parameter.norm()) for parameter in trained.parameters())
    assert report.scalars["total"] == pytest.approx(expected)


def test_a_checkpoint_without_a_model_is_refused(runner, tmp_path):
    torch.save({"state_dict": BoringModel().state_dict()}, "a.ckpt")
    with pytest.raises(UserError, match="no model that could take its weights; set --model"):
        runner.analyze(Norms(str(tmp_path)), ckpt_path="a.ckpt")


def test_a_checkpoint_of_another_model_is_refused(runner, tmp_path):
    torch.save({"state_dict": torch.nn.Linear(2, 2).state_dict()}, "a.ckpt")
    with pytest.raises(
        CheckpointError, match=r"missing: layer\.weight, layer\.bias; unexpected: weight, bias"
    ):
        runner.analyze(Norms(str(tmp_path)), BoringModel(), ckpt_path="a.ckpt")
    assert not Path("runs").exists()


def config(tmp_path, **more):
    document = {
        "seed_everything": 4,
        "analyzer": {"class_path": f"{__name__}.Norms", "init_args": {"folder": str(tmp_path)}},
        "trainer": {"accelerator": "cpu", "logger": False},
        **more,
    }
    (tmp_path / "analyze.yaml").write_text(yaml.safe_dump(document))
    return "analyze.yaml"


def test_tensorboard_stands_beside_the_report_unless_a_logger_is_chosen(run_fulmen, tmp_path):
    name = config(tmp_path, trainer={"accelerator": "cpu"})

    assert run_fulmen("analyze", "--config", name, "--run=out").status == 0

    assert len(list((tmp_path / "out").glob("events.*"))) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"analyze.yaml", "out", "index.html"}


def test_the_command_needs_neither_model_nor_data(run_fulmen, tmp_path):
    ran = run_fulmen("analyze", "--config", config(tmp_path))

    assert ran.status == 0, ran.stderr
    assert "0 parameters on cpu" in ran.stdout
    (run,) = (tmp_path / "runs").glob("analyze-*")
    assert Report.load(run).scalars == {"total": 0.0, "seed": 4.0}
    assert (tmp_path / "runs" / "index.html").exists()


def test_the_same_command_twice_gives_the_same_report_in_two_folders(run_fulmen, tmp_path):
    name = config(tmp_path, model={"class_path": "BoringModel"})
    for _ in range(2):
        assert run_fulmen("analyze", "--config", name).status == 0

    first, second = sorted((tmp_path / "runs").glob("analyze-*"))
    assert second.name == first.name + "-2"
    assert Report.load(first).scalars == Report.load(second).scalars


def test_options_and_quiet_and_fresh(run_fulmen, tmp_path):
    name = config(tmp_path)

    ran = run_fulmen(
        "analyze", "--config", name, "--analyzer.scale=2", "--run=out", "--quiet", "--fresh", "true"
    )

    assert ran.status == 0, ran.stderr
    assert ran.stdout == ""
    saved = yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())
    assert saved["analyzer"]["init_args"]["scale"] == 2.0


def test_secrets_of_the_config_are_not_written(run_fulmen, tmp_path):
    name = config(tmp_path, model={"class_path": f"{__name__}.Keeper", "init_args": {"api_token": "hunter2"}})

    assert run_fulmen("analyze", "--config", name).status == 0

    for path in (tmp_path / "runs").rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes(), path


class Keeper(BoringModel):
    """A model with a secret.

    Args:
        api_token: Whatever.
    """

    def __init__(self, api_token: str) -> None:
        super().__init__()
