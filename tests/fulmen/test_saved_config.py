"""The config beside a run's results runs it again; nothing is written outside the run's folder."""

from __future__ import annotations

import csv

import pytest
import yaml

CSV = {"class_path": "CSVLogger", "init_args": {"save_dir": "out", "name": "run"}}
CONFIG = {
    "seed_everything": 3,
    "model": {"class_path": "image_classifier", "init_args": {"network": "small_cnn", "num_classes": 10}},
    "data": {"class_path": "digits", "init_args": {"limit_train": 64}},
    "trainer": {
        "max_epochs": 2,
        "accelerator": "cpu",
        "logger": CSV,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    },
}


def metrics(folder):
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def fit(run_fulmen, tmp_path, config, name="config.yaml"):
    (tmp_path / name).write_text(yaml.safe_dump(config))
    ran = run_fulmen("fit", "--config", name)
    assert ran.status == 0, ran.stderr


def test_the_saved_config_gives_the_same_metrics_again(run_fulmen, tmp_path):
    fit(run_fulmen, tmp_path, CONFIG)
    first = tmp_path / "out" / "run" / "version_0"

    ran = run_fulmen("fit", "--config", first / "config.yaml", "--trainer.logger.name=again")

    assert ran.status == 0, ran.stderr
    assert metrics(tmp_path / "out" / "again" / "version_0") == metrics(first)


def test_the_saved_config_holds_full_class_paths(run_fulmen, tmp_path):
    fit(run_fulmen, tmp_path, CONFIG)

    saved = yaml.safe_load((tmp_path / "out" / "run" / "version_0" / "config.yaml").read_text())

    assert saved["model"]["class_path"] == "fulmen_vision.classifier.ImageClassifier"
    assert saved["data"]["class_path"] == "fulmen_vision.digits.Digits"


def test_nothing_is_written_outside_the_folder_of_the_run(run_fulmen, tmp_path):
    fit(run_fulmen, tmp_path, CONFIG)

    assert {path.name for path in tmp_path.iterdir()} == {"config.yaml", "out"}


@pytest.mark.parametrize("checkpoints", [True, False])
def test_without_a_logger_the_config_stands_beside_the_checkpoints(run_fulmen, tmp_path, checkpoints):
    trainer = {**CONFIG["trainer"], "logger": False, "enable_checkpointing": checkpoints}
    for _ in range(2):  # Lightning's second run of this kind fails: "expected config.yaml to NOT exist"
        fit(run_fulmen, tmp_path, {**CONFIG, "trainer": trainer}, "mine.yaml")

    expected = {"mine.yaml", "checkpoints"} if checkpoints else {"mine.yaml"}
    assert {path.name for path in tmp_path.iterdir()} == expected
    assert (tmp_path / "checkpoints" / "config.yaml").exists() == checkpoints


def test_another_config_in_the_same_folder_gets_a_number(run_fulmen, tmp_path):
    trainer = {**CONFIG["trainer"], "logger": {**CSV, "init_args": {**CSV["init_args"], "version": "one"}}}
    for epochs in (1, 1, 2):
        fit(run_fulmen, tmp_path, {**CONFIG, "trainer": {**trainer, "max_epochs": epochs}})

    folder = tmp_path / "out" / "run" / "one"
    assert sorted(path.name for path in folder.glob("config*.yaml")) == ["config-2.yaml", "config.yaml"]
    assert yaml.safe_load((folder / "config.yaml").read_text())["trainer"]["max_epochs"] == 1
