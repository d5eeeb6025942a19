"""``fulmen fit`` runs in two processes however it is started: by its name, by -m, by torchrun."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

BIN = Path(sys.executable).parent
TORCHRUN = [BIN / "torchrun", "--standalone", "--nproc_per_node=2"]
CONFIG = {
    "seed_everything": 3,
    "model": {"class_path": "image_classifier", "init_args": {"network": "small_cnn", "num_classes": 10}},
    "data": {"class_path": "digits", "init_args": {"limit_train": 64}},
    "trainer": {
        "max_epochs": 1,
        "accelerator": "cpu",
        "devices": 2,
        "strategy": "ddp",
        "logger": {"class_path": "CSVLogger", "init_args": {"save_dir": "out", "name": None}},
        "log_every_n_steps": 1,
    },
}
STARTS = {
    "its name": [BIN / "fulmen"],
    "python -m": [sys.executable, "-m", "fulmen"],
    "torchrun -m": [*TORCHRUN, "-m", "fulmen"],
    "torchrun its file": [*TORCHRUN, BIN / "fulmen"],
    "torchrun --no-python": [*TORCHRUN, "--no-python", BIN / "fulmen"],
}


@pytest.mark.process
@pytest.mark.parametrize(
    "start",
    [
        "torchrun -m",
        pytest.param("its name", marks=pytest.mark.long),  # as in the first command of split_parallel's page
        pytest.param("python -m", marks=pytest.mark.long),  # as in the tests of split_parallel's configs
        pytest.param("torchrun its file", marks=pytest.mark.long),
        pytest.param("torchrun --no-python", marks=pytest.mark.long),
    ],
)
def test_a_run_of_two_processes(start, tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    command = [*map(str, STARTS[start]), "fit", "--config", "config.yaml", "--quiet"]

    ran = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    (metrics,) = (tmp_path / "out").glob("**/metrics.csv")
    with metrics.open() as file:
        losses = [row["train_loss"] for row in csv.DictReader(file) if row.get("train_loss")]
    assert losses
    assert len(list((tmp_path / "out").rglob("*.ckpt"))) == 1
