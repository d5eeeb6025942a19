"""``fulmen split_parallel partition``: the table, the files, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from fulmen_split_parallel.graph.folder import load_graph
from fulmen_split_parallel.partition.cache import cache_path
from fulmen_split_parallel.partition.partition import load_partition


@pytest.fixture
def partition(run_fulmen, small_folder, tmp_path):
    data = ["--data", "split_parallel.graph", "--data.path", small_folder, "--data.fanouts", "[2,2]"]

    def run(*options):
        size = ["--data.batch_size", "20", "--data.cache", tmp_path / "cache"]
        return run_fulmen("split_parallel", "partition", *data, *size, *options)

    return run


def test_it_prints_a_table_and_keeps_the_partitions_where_the_strategy_looks(partition, tmp_path):
    first = partition("--parts", "3", "--methods", "[restreaming,metis,hash]")
    again = partition("--parts", "3", "--methods", "[restreaming,metis,hash]")

    lines = first.stdout.splitlines()
    assert first.status == again.status == 0, first.stderr
    assert lines[0].startswith("pre-sampling: 8 mini-batches, ")
    assert lines[1].split() == [
        *("method", "parts", "cut", "imbalance", "input_imbalance", "rows_pulled", "seconds")
    ]
    rows = {line.split()[0]: line.split() for line in lines[2:5]}
    assert set(rows) == {"restreaming", "metis", "hash"}
    assert float(rows["hash"][2]) == pytest.approx(2 / 3, abs=0.1)
    assert [line.split()[-1] for line in again.stdout.splitlines()[1:4]] == ["kept"] * 3
    kept = [line.split(": ", 1)[1] for line in lines[5:]]
    assert [load_partition(path).parts for path in kept] == [3, 3, 3]
    assert all(path.startswith(str(tmp_path / "cache")) for path in kept)


def test_a_file_to_carry_elsewhere_and_maps_of_ones_own(partition, tmp_path):
    np.save(tmp_path / "own.npy", np.arange(120) % 2)
    made = partition("--to", str(tmp_path / "p.npz"))
    measured = partition("--methods", f"[{tmp_path / 'own.npy'},{tmp_path / 'p.npz'}]")

    assert made.status == measured.status == 0, made.stderr + measured.stderr
    assert load_partition(tmp_path / "p.npz").parts == 2
    assert measured.stdout.count(".npz") >= 2


def test_the_config_of_a_run_will_do_and_its_run_finds_the_partition(run_fulmen, small_folder, tmp_path):
    config = tmp_path / "run.yaml"
    data = {"path": str(small_folder), "fanouts": [2, 2], "batch_size": 20, "cache": str(tmp_path / "cache")}
    of_a_run = {
        "seed_everything": 5,
        "model": {"class_path": "split_parallel.sage", "init_args": {"in_channels": 4, "num_classes": 3}},
        "data": {"class_path": "split_parallel.graph", "init_args": data},
        "trainer": {"devices": 3, "strategy": "split_parallel", "logger": False},
    }
    config.write_text(yaml.safe_dump(of_a_run))
    made = run_fulmen("split_parallel", "partition", "--config", config, "--parts", "3")

    assert made.status == 0, made.stderr
    (kept,) = (tmp_path / "cache").glob("partition-*.npz")
    graph = load_graph(small_folder)
    assert kept == cache_path(tmp_path / "cache", graph, "restreaming", 3, [2, 2], 20, seed=5)

    config.write_text(yaml.safe_dump({**of_a_run, "partz": 3}))
    refused = run_fulmen("split_parallel", "partition", "--config", config)
    assert refused.status == 2
    assert "partz" in refused.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--parts", "121"], "parts is 121, but the graph has 120 vertices"),
        (["--methods", "[metiss]"], "partitioner 'metiss': expected restreaming, metis, hash"),
        (["--methods", "[]"], "methods is empty"),
        (["--batches", "0"], "batches is 0; expected 1 or more"),
        (["--presample_epochs", "-1"], "presample_epochs is -1; expected 0 or more"),
        (["--part", "3"], "--part"),
        (["--to", "p.npy"], "expected a .npz file for one"),
        (["--to", "/proc/here/p.npz"], "but /proc cannot be written to"),
        (["--to", "p.npz", "--methods", "[hash,metis]"], "for 2 methods; expected a .npz file for one"),
        (["--data", "null"], "no data is named"),
        (["--data.cache", "/proc/nope", "--data.path", "dc_sbm"], "/proc/nope/graphs"),
    ],
)
def test_bad_input_is_refused_in_one_line(partition, options, said):
    ran = partition(*options)

    assert ran.status == 2
    assert said in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
