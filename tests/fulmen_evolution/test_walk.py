"""From a config to an exported network: what comes back of a search needs nothing of the searcher."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

import fulmen

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "evolution" / "digits.yaml"
SHORT = [
    "--engine=inline",
    "--budget.evaluations=3",
    "--fidelity.epochs=1",
    "--final.seeds=1",
    "--final.epochs=1",
]


def test_a_searched_network_is_trained_tested_and_exported(run_fulmen):
    ran = run_fulmen("search", "--config", str(CONFIG), "--run=out", "--quiet", *SHORT)
    assert ran.status == 0, ran.stderr
    network = ["--config", "out/networks/1.yaml", "--trainer.max_epochs=1"]
    ran = run_fulmen("fit", *network, "--quiet")
    assert ran.status == 0, ran.stderr
    ran = run_fulmen("test", *network, "--ckpt_path=out/networks/1.ckpt", "--quiet")
    assert ran.status == 0, ran.stderr
    assert "the checkpoint was trained with" not in ran.stderr

    model = fulmen.FulmenCLI(args=network, run=False).model
    model.load_state_dict(fulmen.load_checkpoint("out/networks/1.ckpt")["state_dict"])
    images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    batch = {0: torch.export.Dim("batch")}
    exported = torch.export.export(model.network.eval(), (images,), dynamic_shapes=(batch,))
    torch.export.save(exported, "network.pt2")
    loaded = torch.export.load("network.pt2").module()

    with torch.inference_mode():
        for some in (images, images[:1]):
            assert (loaded(some) - model.network(some)).abs().max() == pytest.approx(0, abs=1e-5)


def test_a_function_that_is_not_there_is_one_line(run_fulmen, tmp_path):
    config = yaml.safe_load(CONFIG.read_text())
    config["searcher"]["init_args"]["canonical"] = "nowhere.name_of"
    (tmp_path / "search.yaml").write_text(yaml.safe_dump(config))

    ran = run_fulmen("search", "--config", "search.yaml", "--run=out", "--quiet")

    assert ran.status == 2
    (line,) = ran.stderr.splitlines()
    assert line.startswith(
        "error: search.yaml: searcher.init_args.canonical: expected the dotted path of a func"
    )
    assert "got 'nowhere.name_of' (No module named 'nowhere')" in line


def test_a_mistyped_option_is_one_of_the_searchers(run_fulmen, tmp_path):
    config = yaml.safe_load(CONFIG.read_text())
    config["searcher"]["init_args"]["initail"] = 4
    (tmp_path / "search.yaml").write_text(yaml.safe_dump(config))

    ran = run_fulmen("search", "--config", "search.yaml", "--run=out", "--quiet")

    assert ran.status == 2
    said = "search.yaml: searcher.init_args.initail: no such option of Evolution; did you mean 'initial'?"
    assert ran.stderr.strip() == f"error: {said}"


def test_a_config_of_a_search_is_not_one_of_a_training(run_fulmen):
    ran = run_fulmen("fit", "--config", CONFIG)

    assert ran.status == 2
    assert ran.stderr.strip().endswith("searcher: is for another verb: run `fulmen search`, or take it out.")
