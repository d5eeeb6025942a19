"""The shipped pathology search in short, and the benchmark's own parts against independent ones."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import fulmen
from fulmen.costs.deployed import deployed
from fulmen.study import Study
from fulmen_evolution.patch_data import SyntheticTIL
from fulmen_evolution.patches import _hue_turn

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = REPOSITORY / "configs" / "evolution" / "pathology.yaml"
SHORT = [
    *("--engine=inline", "--budget.minutes=5", "--budget.evaluations=1"),
    *("--fidelity.data=1.0", "--final.top_k=1", "--final.seeds=1", "--final.epochs=2"),
    *("--data.init_args.train_size=48", "--data.init_args.val_size=32", "--data.init_args.test_size=32"),
]


@pytest.fixture(scope="module", autouse=True)
def benchmarks():
    sys.path.insert(0, str(REPOSITORY / "benchmarks"))
    yield
    sys.path.remove(str(REPOSITORY / "benchmarks"))


def test_the_shipped_search_in_short(run_fulmen, tmp_path):
    """Rungs, the latency bound on nothing, final trainings, and the network read back by the benchmark."""
    config = yaml.safe_load(CONFIG.read_text())
    latency, f1 = config["objectives"]
    f1["bound"], latency["source"]["options"]["most_seconds"] = 0.0, 0.3
    config["fidelity"]["abort_below"] = 0.01  # 48 patches teach nobody
    (tmp_path / "short.yaml").write_text(yaml.safe_dump(config))

    ran = run_fulmen("search", "--config", "short.yaml", "--run=out", "--quiet", *SHORT)

    assert ran.status == 0, ran.stderr
    with Study.read(tmp_path / "out") as study:
        told, finals = study.told(), study.finals()
    assert [one.evaluation.status for one in told] == ["ok"]
    assert all(one.evaluation.values["rung/2"] >= 0 for one in told)
    assert all(0.02 < one.evaluation.values["latency"] < 50 for one in told)
    (final,) = finals.values()
    assert final["status"] == "ok"
    assert {"test_f1", "latency"} <= set(final["values"])
    from pathology_found import found_in, network_of, standing

    network = network_of(found_in(tmp_path / "out")["out_1"])
    state = fulmen.load_checkpoint(tmp_path / "out" / "networks" / "1.ckpt")["state_dict"]
    network.load_state_dict({name.removeprefix("network."): value for name, value in state.items()})
    assert standing(tmp_path / "out")["statuses"] == {"ok": 1}


def test_the_benchmarks_patches_are_those_of_the_data_module(tmp_path):
    import pathology_patches

    few = {"train": 3, "val": 2, "test": 2}
    data = SyntheticTIL(train_size=3, val_size=2, test_size=2)
    held = data.read()["val"]
    images, labels = zip(*(pathology_patches._draw(("default", "val", i)) for i in range(2)), strict=True)

    assert few == data.sizes
    assert np.array_equal(np.stack(images), np.stack([held.patch(0), held.patch(1)]))
    assert [cells >= 2 for cells in labels] == held.labels.tolist()


def test_the_benchmarks_changes_are_those_of_the_data_module():
    """Hues turn alike; all eight pictures of a patch come about; brightness and range are kept."""
    import pathology_patches

    angles = torch.tensor([0.1, -0.17])
    expected = torch.stack([torch.from_numpy(_hue_turn(angle)) for angle in angles.tolist()])
    torch.testing.assert_close(pathology_patches._hue_turns(angles), expected)

    marked = torch.full((400, 3, 8, 8), 120, dtype=torch.uint8)
    marked[:, :, 1, 2] = 250
    found = pathology_patches.changed(marked, torch.Generator().manual_seed(0))
    places = {divmod(int(image[0].argmax()), 8) for image in found}
    assert places == {(1, 2), (2, 1), (1, 5), (5, 1), (6, 2), (2, 6), (6, 5), (5, 6)}
    levels = found * 50 + 200
    assert 100 <= levels[:, :, 0, 0].min() < 110 < 130 < levels[:, :, 0, 0].max() <= 140


def test_a_classic_has_the_parameters_that_are_known_of_it():
    """With a thousand classes MobileNetV2 has 3,504,872 (torchvision's); the last layer is another here."""
    from pathology_networks import NETWORKS, MobileNetV2

    def count(network):
        return sum(parameter.numel() for parameter in network.parameters())

    assert count(MobileNetV2(1.0)) == 3_504_872 - 1280 * 998 - 998
    assert count(NETWORKS["resnet18"]()) == 11_689_512 - 512 * 998 - 998
    for name, make in NETWORKS.items():
        assert make().eval()(torch.zeros(2, 3, 100, 100)).shape == (2, 2), name


def test_folding_and_exporting_change_no_score():
    from pathology_networks import NETWORKS

    images = torch.randn(2, 3, 100, 100, generator=torch.Generator().manual_seed(1))
    for name in ("hand_20k", "resnet10_x0.25", "mobilenet_v2_x0.25"):
        network = NETWORKS[name]()
        network(images)  # in training: the normalisations' averages move

        shipped = deployed(network, images)

        assert not any("batch_norm" in str(node.target) for node in shipped.graph.nodes)
        with torch.no_grad():
            assert (shipped(images) - network.eval()(images)).abs().max() < 1e-5


def test_the_tuned_threshold_is_chosen_on_validation_alone():
    from pathology_training import scores

    labels = torch.tensor([0, 0, 1, 1])
    val, test = torch.tensor([0.1, 0.6, 0.7, 0.9]), torch.tensor([0.1, 0.2, 0.63, 0.9])
    found = scores((val, labels), (test, labels))

    assert found["val_f1"] < 1
    assert 0.6 <= found["threshold_tuned"] < 0.7
    assert found["test_f1"] == 1
    assert found["test_f1_tuned"] == pytest.approx(1 if found["threshold_tuned"] < 0.63 else 0.7333, abs=1e-3)
