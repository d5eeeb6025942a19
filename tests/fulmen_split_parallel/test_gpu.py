"""Promise: on a GPU everything is as on the CPU, and two ranks that share one are as one.

``pytest -m gpu tests/fulmen_split_parallel`` on a machine with one GPU takes about two minutes. Everywhere
else two processes on the CPU go the way of those that share a GPU, marked long.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import fulmen
from fulmen.testing.processes import in_fresh_processes
from fulmen_split_parallel.graph.folder import save_graph
from fulmen_split_parallel.models import SAGE

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import gpu_runs  # noqa: E402
from small_graph import small_graph  # noqa: E402

DEBIAN = HERE.parents[1] / "configs" / "split_parallel" / "debian.yaml"
on_a_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]
DEVICES = [
    pytest.param("gpu", marks=on_a_gpu),
    pytest.param("cpu", marks=pytest.mark.long),
]

pytestmark = [
    pytest.mark.process,
    pytest.mark.timeout(500),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    save_graph(small_graph(), folder / "graph", fulmen.write_artifact)
    return folder


def apart(run, *arguments, **options):
    """Run with a process group of its own: Lightning leaves one, which may be another device's."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    try:
        return run(*arguments, **options)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE"):
            os.environ.pop(name, None)


@pytest.fixture(scope="module")
def on_the_cpu(folder):
    return apart(gpu_runs.runs, folder, accelerator="cpu")


@pytest.fixture(scope="module")
def shared(folder):
    """What each of two ranks on one device saw."""
    found: dict[str, list[dict]] = {}

    def run(device):
        if device not in found:
            found[device] = in_fresh_processes(
                gpu_runs.sharing, str(folder), device, folder=folder, count=2, timeout=400
            )
        return found[device]

    return run


def assert_alike(seen, expected):
    """Losses to 1e-9 relative; of weights, those whose gradient is truly 0 follow Adam's noise."""
    np.testing.assert_allclose(seen["losses"], expected["losses"], rtol=1e-9)
    for name in ("val_acc", "val_loss"):
        assert seen["metrics"][name] == pytest.approx(expected["metrics"][name], rel=1e-9)
    for name, value in expected["weights"].items():
        torch.testing.assert_close(seen["weights"][name].cpu(), value, rtol=1e-7, atol=1e-7, msg=name)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_follows_the_curve_of_the_cpu(folder, on_the_cpu):
    seen = apart(gpu_runs.runs, folder, accelerator="gpu")
    for name in gpu_runs.MODELS:
        assert_alike(seen[name], on_the_cpu[name])
        for there, here in zip(seen[name]["predictions"], on_the_cpu[name]["predictions"], strict=True):
            torch.testing.assert_close(there.cpu(), here, rtol=1e-6, atol=1e-6)
    for name in ("mean in bf16", "gat in bf16"):
        np.testing.assert_allclose(seen[name]["losses"], on_the_cpu[name]["losses"], rtol=2e-2)
        assert seen[name]["losses"] != on_the_cpu[name.removesuffix(" in bf16")]["losses"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_rows_kept_on_a_gpu_are_the_same_and_are_hit_as_often(folder):
    seen, expected = (apart(gpu_runs.strategies, folder, device) for device in ("gpu", "cpu"))
    for name in seen:
        assert_alike(seen[name], expected["cached"])
    hits = [counts["cache_hits"] for counts in seen["cached"]["counts"]]
    assert hits == [counts["cache_hits"] for counts in expected["cached"]["counts"]]
    assert min(hits) > 0
    assert all(counts["input_rows"] > counts["cache_hits"] for counts in seen["cached"]["counts"])


@pytest.mark.parametrize("device", DEVICES)
def test_two_ranks_on_one_device_are_as_one_process(folder, shared, on_the_cpu, device):
    ranks = shared(device)
    for number, seen in enumerate(ranks):
        for name in gpu_runs.MODELS:
            assert_alike(seen[name], on_the_cpu[name])
            for batch, rows in enumerate(on_the_cpu[name]["predictions"]):
                torch.testing.assert_close(
                    seen[name]["predictions"][batch].cpu(), rows[number::2], rtol=1e-6, atol=1e-6
                )
        assert_alike(seen["cached"], on_the_cpu["mean"])
        assert_alike(seen["gloo"], on_the_cpu["gat"])
        np.testing.assert_allclose(
            seen["mean in bf16"]["losses"], on_the_cpu["mean in bf16"]["losses"], rtol=2e-2
        )
        assert all(counts["cache_hits"] > 0 for counts in seen["cached"]["counts"])
        assert all(counts["shuffled_rows"] > 0 for counts in seen["gat"]["counts"])
    rows = sum(seen["mean"]["counts"][0]["input_rows"] for seen in ranks)
    assert rows == on_the_cpu["mean"]["counts"][0]["input_rows"]


@pytest.mark.parametrize("device", DEVICES)
def test_two_ranks_on_one_device_write_one_file_of_predictions(folder, shared, on_the_cpu, device):
    shared(device)
    for name in gpu_runs.MODELS:
        written = np.load(folder / f"{name} on {device}.npz")
        order = small_graph().valid_idx.argsort()
        assert (written["vertices"] == small_graph().valid_idx[order]).all()
        expected = torch.cat(on_the_cpu[name]["predictions"]).numpy()[order]
        np.testing.assert_allclose(written["predictions"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_two_ranks_cannot_share_a_gpu_by_nccl(folder):
    said = in_fresh_processes(gpu_runs.too_many_for_nccl, str(folder), folder=folder, count=2)
    for rank, each in enumerate(said):
        assert each.startswith(f"ConfigError: split_parallel: rank {rank} shares cuda:0 with another"), each
        assert "process_group_backend to gloo" in each


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_debian_config_on_a_gpu(run_fulmen, tmp_path):
    """Trained by command line there and here: weights to 1e-9; then validated and predicted there."""
    limits = [
        *("--trainer.max_epochs=1", "--trainer.limit_train_batches=6", "--trainer.limit_val_batches=2"),
        *("--trainer.num_sanity_val_steps=0", "--trainer.devices=1", "--trainer.logger=false"),
    ]
    runs = {
        "cpu": [],
        "gpu": ["--trainer.accelerator=gpu"],
        "kept": ["--trainer.accelerator=gpu", "--trainer.strategy.cache_rows=5000"],
        "bf16": ["--trainer.accelerator=gpu", "--trainer.precision=bf16-mixed"],
    }
    models = {}
    for name, options in runs.items():
        path = tmp_path / name
        place = f"--trainer.default_root_dir={path}"
        ran = apart(run_fulmen, "fit", "--config", DEBIAN, *limits, *options, place)
        assert ran.status == 0, ran.stderr[-3000:]
        (checkpoint,) = path.rglob("*.ckpt")
        models[name] = SAGE.load_from_checkpoint(checkpoint, map_location="cpu")
        if name == "kept":
            asked = ["--config", DEBIAN, "--ckpt_path", checkpoint, *limits[2:], *options]
            for verb in ("validate", "predict"):
                ran = apart(run_fulmen, verb, *asked)
                assert ran.status == 0, ran.stderr[-3000:]
    expected = dict(models["cpu"].named_parameters())
    for name, tolerance in (("gpu", 1e-9), ("kept", 1e-9), ("bf16", 0.1)):
        for which, value in models[name].named_parameters():
            assert float((value - expected[which]).abs().max()) < tolerance, (name, which)
