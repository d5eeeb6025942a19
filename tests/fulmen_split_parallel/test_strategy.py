"""Promise: under the strategy Lightning trains, resumes, validates and predicts as in one process."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import fulmen
from fulmen.testing.processes import in_fresh_processes
from fulmen_split_parallel.graph.folder import load_graph, save_graph
from fulmen_split_parallel.partition.make import partition
from fulmen_split_parallel.planning.steps import split_work
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler
from fulmen_split_parallel.sampling.seeds import seed_batches

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from ranks import FANOUTS, TRAININGS, run_all  # noqa: E402
from small_graph import small_graph  # noqa: E402

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("split")
    save_graph(small_graph(), folder / "graph", fulmen.write_artifact)
    return folder


@pytest.fixture(scope="module")
def alone(folder):
    """The trainings in this process."""
    return {name: run(folder, 1) for name, run in TRAININGS.items()}


@pytest.fixture(scope="module")
def together(folder):
    """What each rank saw of the trainings, by the number of ranks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    seen = in_fresh_processes(run_all, str(folder), port, folder=folder, count=4, timeout=240)
    return {ranks: [each[str(ranks)] for each in seen[:ranks]] for ranks in (2, 4)}


def assert_same_weights(found, expected, tolerance=1e-12):
    for name, value in expected.items():
        scale = tolerance * max(float(value.double().abs().max()), 1)
        assert float((found[name].double() - value.double()).abs().max()) <= scale, name


# Before BatchNorm the true gradient of a bias is 0: Adam makes steps of the noise.
@pytest.mark.parametrize(
    ("ranks", "name", "tolerance"),
    [
        (2, "sage", 1e-12),
        (2, "plain loss", 1e-12),
        (4, "sage", 1e-12),
        (4, "gat", 1e-12),
        (4, "plain loss", 1e-12),
        (4, "accumulated", 1e-12),
        (4, "accumulated, normalised", 1e-9),
        (4, "layerwise", 1e-12),
    ],
)
def test_the_curve_is_that_of_one_process(together, alone, ranks, name, tolerance):
    for seen in together[ranks]:
        np.testing.assert_allclose(seen[name]["losses"], alone[name]["losses"], rtol=tolerance)
        assert seen[name]["metrics"]["val_acc"] == pytest.approx(alone[name]["metrics"]["val_acc"], abs=1e-12)
        assert seen[name]["metrics"]["val_loss"] == pytest.approx(
            alone[name]["metrics"]["val_loss"], rel=tolerance
        )
        assert_same_weights(seen[name]["weights"], alone[name]["weights"], tolerance)


@pytest.mark.parametrize("ranks", [2, 4])
def test_counts_add_up_to_those_of_one_process(together, alone, ranks):
    for step, expected in enumerate(alone["sage"]["counts"]):
        everyones = [seen["sage"]["counts"][step] for seen in together[ranks]]
        for quantity in ("edges", "input_rows"):
            assert sum(counts[quantity] for counts in everyones) == expected[quantity]
        edges = [counts["edges"] for counts in everyones]
        assert {counts["imbalance"] for counts in everyones} == {ranks * max(edges) / sum(edges)}
        assert expected["shuffled_rows"] == 0
        assert sum(counts["shuffled_rows"] for counts in everyones) > 0
        assert all(counts["exchange_seconds"] > 0 for counts in everyones)


@pytest.mark.parametrize(
    ("ranks", "name"), [(2, "sage"), (4, "sage"), (4, "layerwise"), (2, "layerwise ddp")]
)
def test_every_vertex_is_predicted_once_and_in_order(together, alone, ranks, name):
    for batch, expected in enumerate(alone[name.removesuffix(" ddp")]["predictions"]):
        for rank, seen in enumerate(together[ranks]):
            torch.testing.assert_close(
                seen[name]["predictions"][batch], expected[rank::ranks], rtol=1e-6, atol=1e-6
            )


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_run_resumed_within_an_epoch_ends_as_if_never_stopped(together, alone, ranks):
    for seen in [alone] if ranks == 1 else together[ranks]:
        assert seen["resumed"]["losses"] == seen["sage"]["losses"][2:]
        assert_same_weights(seen["resumed"]["weights"], seen["sage"]["weights"], tolerance=0)


def test_data_parallel_on_the_same_sampler_is_one_process_too(together, alone):
    """The data module without the strategy: each rank's share of every mini-batch, averaged by ``ddp``."""
    for seen in together[2]:
        np.testing.assert_allclose(seen["ddp"]["losses"], alone["sage"]["losses"], rtol=1e-12)
        assert_same_weights(seen["ddp"]["weights"], alone["sage"]["weights"])


def test_groups_are_data_parallel_to_each_other(together):
    expected = together[2][0]["ddp"]
    for seen in together[4]:
        np.testing.assert_allclose(seen["hybrid"]["losses"], expected["losses"], rtol=1e-12)
        assert_same_weights(seen["hybrid"]["weights"], expected["weights"])


def test_mixed_precision_stays_near(together, alone):
    for seen in together[4]:
        np.testing.assert_allclose(seen["bf16"]["losses"], alone["bf16"]["losses"], rtol=1e-2)


def test_a_checkpoint_loads_without_the_strategy(folder, together):
    from ranks import sage

    checkpoint = torch.load(folder / "checkpoints-4" / "step=2.ckpt", weights_only=True)
    sage().load_state_dict(checkpoint["state_dict"])


def test_partitions_are_kept_where_the_data_say(folder, together):
    kept = {path.name.rsplit("-", 1)[0] for path in (folder / "cache").glob("partition-*.npz")}
    assert kept == {
        *(f"partition-restreaming-{ranks}" for ranks in (1, 2, 4)),
        *(f"partition-hash-{ranks}" for ranks in (1, 4)),
    }


@pytest.mark.parametrize("ranks", [2, 4])
def test_the_planner_counts_what_the_ranks_of_a_run_count(together, folder, ranks):
    """Rows, edges and rows that crossed, of each step: exactly."""
    graph = load_graph(folder / "graph")
    owner = partition(graph, "restreaming", ranks, FANOUTS, 40, 1, seed=5).owner
    sampler, planned = NeighbourSampler(graph), []
    for epoch in range(2):
        for step, seeds in enumerate(seed_batches(graph.train_idx, 40, seed=5, epoch=epoch)):
            work = split_work(
                sampler, seeds, FANOUTS, {"it": (owner, ranks)}, seed=5, epoch=epoch, step=step
            )["it"]
            planned.append([work.edges.sum(0), work.inputs, work.received.sum(0)])

    names = ("edges", "input_rows", "shuffled_rows")
    for rank, seen in enumerate(together[ranks]):
        counted = [[int(counts[name]) for name in names] for counts in seen["sage"]["counts"]]
        assert counted == [[int(array[rank]) for array in arrays] for arrays in planned]
