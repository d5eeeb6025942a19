"""The shipped configs run, and say what they do."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from fulmen_attention_granger.reading.files import read_files

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "attention_granger").glob("*.yaml"))
NEEDED = {"worm": "cect", "grasshopper": "nitime"}
SIMULATED = {"spiking_network", "worm", "grasshopper"}


def is_installed(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


@pytest.mark.parametrize("config", [c for c in CONFIGS if c.stem in SIMULATED], ids=lambda path: path.stem)
def test_a_config_gives_recordings_with_a_truth(run_fulmen, tmp_path, config):
    ran = run_fulmen("attention_granger", "simulate", "a.npz", "--config", config)

    needed = NEEDED.get(config.stem)
    if needed and not is_installed(needed):
        assert ran.status == 2
        assert f"fulmen[{needed}]" in ran.stderr
        return
    assert ran.status == 0, ran.stderr
    assert read_files([tmp_path / "a.npz"]).graph.any()


def test_the_analysis_of_the_demo_runs_with_less_of_everything(run_fulmen, tmp_path):
    config = CONFIGS[0].with_name("analyze.yaml")
    less = ("--data.samples", "700", "--data.neurons", "5", "--analyzer.effort", "0.03")
    ran = run_fulmen("analyze", "--config", config, *less, "--engine", "inline", "--run", "here")

    assert ran.status == 0, ran.stderr
    assert "Against the truth: AUROC" in ran.stdout
    assert (tmp_path / "here" / "report" / "figures" / "matrix.png").is_file()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_config_begins_with_what_it_does_and_how_long_it_takes(config):
    assert config.read_text().splitlines()[0].endswith("on 2 cores.")
