"""A delivered report stands in the run's folder, its loggers, on the terminal and in the index."""

from __future__ import annotations

import csv
import logging
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.loggers.logger import DummyLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fulmen import Report, UserError
from fulmen.analysis import new_figure
from fulmen.reports import deliver

SECRET = "hunter2-s3cret"


class Bare(Logger):
    """What the Logger class asks for and nothing more: no experiment, no folder."""

    name, version = "bare", 0

    def __init__(self):
        super().__init__()
        self.metrics = {}

    def log_metrics(self, metrics, step=None):
        self.metrics |= metrics

    def log_hyperparams(self, params):
        raise AssertionError("only scalars go to a logger that is not known")


class Away(Bare):
    def log_metrics(self, metrics, step=None):
        raise ConnectionError("the server\nis away")


def make_report() -> Report:
    figure, axes = new_figure()
    axes.plot([1, 2])
    return Report(
        title="",
        scalars={"accuracy/0.01": 0.75, "nan": math.nan, **{f"s{n:02}": float(n) for n in range(25)}},
        tables={"layers": pd.DataFrame({"name": ["a|b", "<i>"], "x": [0.5, math.nan]})},
        figures={"curve": figure},
        findings=["It *works* <b>."],
    )


def read_board(folder) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def test_tensorboard_gets_scalars_pictures_tables_and_hyperparameters(tmp_path):
    logger = TensorBoardLogger(tmp_path / "run", name="", version="tensorboard")
    provenance = {"seed": 7, "versions": {"torch": "x"}, "digest": "abc"}

    deliver(make_report(), tmp_path / "run", name="ecc", loggers=[logger], provenance=provenance, quiet=True)

    board = read_board(tmp_path / "run" / "tensorboard")
    tags = board.Tags()
    assert len(tags["scalars"]) == 27
    assert [(event.step, event.value) for event in board.Scalars("fulmen/ecc/accuracy/0.01")] == [(0, 0.75)]
    assert [math.isnan(event.value) for event in board.Scalars("fulmen/ecc/nan")] == [True]
    assert tags["images"] == ["fulmen/ecc/figures/curve"]
    (image,) = board.Images("fulmen/ecc/figures/curve")
    assert image.width > 800
    (table,) = board.Tensors("fulmen/ecc/tables/layers/text_summary")
    assert table.tensor_proto.string_val[0].decode().split("\n") == [
        "| name | x |",
        "| :--- | ---: |",
        "| a\\|b | 0.5 |",
        "| &lt;i&gt; | NaN |",
    ]
    (findings,) = board.Tensors("fulmen/ecc/findings/text_summary")
    assert findings.tensor_proto.string_val[0].decode() == "- It \\*works\\* &lt;b&gt;."
    assert "_hparams_/session_start_info" in board.summary_metadata
    assert logger.hparams == {"analysis": "ecc", "seed": 7, "digest": "abc"}


def test_hyperparameters_of_a_training_stay(tmp_path):
    logger = TensorBoardLogger(tmp_path / "run", name="", version="tensorboard")
    logger.log_hyperparams({"lr": 0.1})

    deliver(make_report(), tmp_path / "run", name="ecc", loggers=[logger], provenance={"seed": 7}, quiet=True)

    assert logger.hparams == {"lr": 0.1}
    assert (
        len([tag for tag in read_board(logger.log_dir).Tags()["scalars"] if tag.startswith("fulmen/")]) == 27
    )


def test_any_other_logger_gets_the_scalars(tmp_path):
    loggers = [CSVLogger(tmp_path / "run", name="", version="csv"), Bare(), DummyLogger()]

    deliver(make_report(), tmp_path / "run", name="ecc", loggers=loggers, quiet=True)

    with (tmp_path / "run" / "csv" / "metrics.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["fulmen/ecc/accuracy/0.01"]) == 0.75
    assert loggers[1].metrics["fulmen/ecc/s24"] == 24.0
    assert len(loggers[1].metrics) == 27


def test_a_logger_that_fails_costs_a_warning_and_no_other_logger(tmp_path, caplog):
    bare = Bare()

    deliver(make_report(), tmp_path / "run", name="ecc", loggers=[Away(), bare], quiet=True)

    assert bare.metrics
    assert Report.load(tmp_path / "run").scalars["s24"] == 24.0
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        "Away: the report was not logged to it (the server is away)."
    ]


def test_the_folder_the_terminal_and_the_index_tell_the_same(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    folder = deliver(make_report(), Path("runs/one"), name="ecc")

    assert folder == Path("runs/one/report")
    assert Report.load("runs/one").title == "ecc"
    printed = capsys.readouterr().out
    assert printed.startswith("ecc\n  It *works* <b>.\n")
    assert "runs/one/report/report.html" in printed
    assert 'href="one/report/report.html"' in Path("runs/index.html").read_text()


def test_quiet_prints_nothing(tmp_path, capsys):
    deliver(make_report(), tmp_path / "run", name="ecc", quiet=True)

    assert capsys.readouterr().out == ""


def test_no_secret_of_the_configuration_reaches_any_file(tmp_path):
    logger = TensorBoardLogger(tmp_path / "run", name="", version="tensorboard")
    provenance = {
        "api_token": SECRET,
        "command": f"fulmen analyze --logger.api_key {SECRET}",
        "config": {"trainer": {"logger": [{"password": SECRET}]}},
    }

    deliver(make_report(), tmp_path / "run", name="ecc", loggers=[logger], provenance=provenance, quiet=True)

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 9
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_a_page_that_is_not_ours_costs_a_warning_not_the_report(tmp_path, caplog):
    (tmp_path / "index.html").write_text("mine")

    deliver(make_report(), tmp_path / "run", name="ecc", quiet=True)

    assert Report.load(tmp_path / "run").findings == ["It *works* <b>."]
    assert "not written by fulmen" in caplog.text
    assert (tmp_path / "index.html").read_text() == "mine"


def test_a_report_that_cannot_be_kept_is_refused_before_anything_is_written(tmp_path, capsys):
    report = make_report()
    report.arrays["../x"] = np.zeros(1)
    bare = Bare()

    with pytest.raises(UserError, match=r"\.\./x"):
        deliver(report, tmp_path / "run", name="ecc", loggers=[bare])

    assert list(tmp_path.iterdir()) == []
    assert bare.metrics == {}
    assert capsys.readouterr().out == ""


def test_only_rank_zero_delivers(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")

    assert deliver(make_report(), tmp_path / "run", name="ecc") == tmp_path / "run" / "report"
    assert list(tmp_path.iterdir()) == []
