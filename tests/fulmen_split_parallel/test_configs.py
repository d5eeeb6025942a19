"""The shipped configs run: in two processes as in one, with what they promise to log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fulmen_split_parallel.graph.debian import DebianPackages
from fulmen_split_parallel.models import SAGE

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "split_parallel").glob("*.yaml"))
DEBIAN = next(path for path in CONFIGS if path.stem == "debian")
LIMITS = [
    *("--trainer.max_epochs=1", "--trainer.limit_train_batches=3", "--trainer.limit_val_batches=2"),
    *("--trainer.num_sanity_val_steps=0", "--trainer.log_every_n_steps=1"),
]

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.mark.process
def test_two_processes_follow_the_curve_of_one(run_fulmen, tmp_path):
    """Losses, counts and weights of the Debian graph, by command line; the checkpoint is a plain one."""
    command = [sys.executable, "-m", "fulmen", "fit", "--config", DEBIAN, *LIMITS]
    two = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True)
    assert two.returncode == 0, two.stderr[-3000:]
    one = run_fulmen("fit", "--config", DEBIAN, *LIMITS, "--trainer.devices=1")
    assert one.status == 0, one.stderr[-3000:]

    split, alone = (_logged(tmp_path / f"runs/split_parallel/version_{number}") for number in (0, 1))
    np.testing.assert_allclose(split["train_loss"], alone["train_loss"], rtol=1e-6)  # logged in float32
    assert split["val_acc"] == alone["val_acc"]
    for counted in ("edges", "input_rows"):
        assert split[f"fulmen/split_parallel/{counted}"] == alone[f"fulmen/split_parallel/{counted}"]
    assert 1 <= split["fulmen/split_parallel/imbalance"][0] < 1.15
    assert split["fulmen/split_parallel/shuffled_rows"][0] > alone["fulmen/split_parallel/shuffled_rows"][0]
    assert split["fulmen/split_parallel/shuffled_rows"][0] < split["fulmen/split_parallel/input_rows"][0] / 4
    assert "The mean of 3 steps on 2 processes" in two.stdout + two.stderr

    models = [
        SAGE.load_from_checkpoint(next(tmp_path.glob(f"runs/split_parallel/version_{number}/*/*.ckpt")))
        for number in (0, 1)
    ]
    pairs = zip(models[0].parameters(), models[1].parameters(), strict=True)
    assert max(float((a - b).abs().max()) for a, b in pairs) < 1e-9


def test_the_perceptrons_config_trains(run_fulmen, tmp_path):
    (config,) = (path for path in CONFIGS if path.stem == "debian_mlp")
    ran = run_fulmen("fit", "--config", config, *LIMITS)
    assert ran.status == 0, ran.stderr[-3000:]
    assert _logged(tmp_path / "runs/split_parallel_mlp/version_0")["val_acc"][0] > 0


def test_the_configs_fit_the_shipped_graph():
    """Their sizes, said in comments and options, are the graph's."""
    graph = DebianPackages().make()
    assert f"{graph.num_vertices:,} Debian packages" in DEBIAN.read_text()
    trained = [values for path in CONFIGS if "model" in (values := yaml.safe_load(path.read_text()))]
    assert len(trained) >= 2
    for values in trained:
        options = values["model"]["init_args"]
        assert (options["in_channels"], options["num_classes"]) == (graph.num_features, graph.num_classes)


def _logged(folder: Path) -> dict[str, list[float]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
