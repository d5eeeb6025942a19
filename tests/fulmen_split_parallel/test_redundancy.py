"""The planner's table holds what runs would do, and its options are looked at first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from planning_rates import RATES

from fulmen import Report, Runner, UserError
from fulmen_split_parallel.analyzer import Redundancy
from fulmen_split_parallel.graph.degree_corrected import DegreeCorrectedSBM
from fulmen_split_parallel.graph_data import GraphData
from fulmen_split_parallel.planning.table import COLUMNS

SOURCE = DegreeCorrectedSBM(num_vertices=2000, communities=8, num_features=4)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return GraphData(SOURCE, [4, 3], 64, seed=3, cache=str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def report(data, tmp_path_factory):
    runner = Runner(logger=False, enable_checkpointing=False)
    own = tmp_path_factory.mktemp("map") / "own.npy"
    np.save(own, np.arange(2000) % 3)
    analyzer = Redundancy([3], ["restreaming", "hash", str(own)], rates=RATES, batches=3)
    return runner.analyze(analyzer, datamodule=data, run=tmp_path_factory.mktemp("run") / "r", quiet=True)


def test_the_table_has_the_columns_that_users_rely_on(report):
    assert (
        tuple(report.tables["redundancy"].columns)
        == COLUMNS
        == (
            *("sampler", "parts", "partitioner", "dp_rows", "split_rows", "row_redundancy", "dp_edges"),
            *("split_edges", "edge_redundancy", "shuffled_rows", "cut", "imbalance", "dp_seconds"),
            "split_seconds",
        )
    )
    keys = report.tables["redundancy"][["sampler", "partitioner"]].itertuples(index=False)
    assert [tuple(key) for key in keys] == [
        (sampler, method)
        for sampler in ("neighbour", "labor")
        for method in ("restreaming", "hash", "own.npy")
    ]


def test_rows_and_edges_are_those_of_the_loaders(report, data):
    """What ranks of a data-parallel run load, and what one process does; test_strategy has the strategy's."""

    def counted(ranks):
        counts = []
        for rank in range(ranks):  # outside a Trainer, each data module counts the epochs by itself
            fresh = GraphData(SOURCE, [4, 3], 64, seed=3, cache=str(data.cache))
            loader = fresh.train_dataloader().share(rank, ranks)
            counts += [batch.counts for _, batch in zip(range(3), loader, strict=False)]
        return [int(sum(count[name] for count in counts)) for name in ("input_rows", "edges")]

    row = report.tables["redundancy"].iloc[0]
    assert [row.dp_rows, row.dp_edges] == counted(3)
    assert [row.split_rows, row.split_edges] == counted(1)
    assert row.row_redundancy == row.dp_rows / row.split_rows > 1
    assert row.edge_redundancy == row.dp_edges / row.split_edges > 1


def test_two_maps_of_one_name_are_two_rows(data, tmp_path):
    paths = []
    for name, owner in (("a", np.arange(2000) % 2), ("b", np.arange(2000) // 1000)):
        (tmp_path / name).mkdir()
        paths.append(str(tmp_path / name / "own.npy"))
        np.save(paths[-1], owner)

    def moved(partitioners):
        analyzer = Redundancy([2], partitioners, ["neighbour"], batches=1, rates=RATES)
        runner = Runner(logger=False, enable_checkpointing=False)
        found = runner.analyze(analyzer, datamodule=data, run=tmp_path / "r", quiet=True).tables["redundancy"]
        return dict(zip(found.partitioner, found.shuffled_rows, strict=True))

    together = moved(paths)
    assert together == {path: moved([path])["own.npy"] for path in paths}
    assert len(set(together.values())) == 2


def test_layers_add_up_to_the_table(report):
    layers = report.tables["layers"].groupby(["sampler", "parts", "partitioner"]).sum()
    for row in report.tables["redundancy"].itertuples():
        found = layers.loc[(row.sampler, row.parts, row.partitioner)]
        assert (found.shuffled_rows, found.edges) == (row.shuffled_rows, row.split_edges)
    first = report.tables["layers"].iloc[0]
    assert first.shuffled_bytes == first.shuffled_rows * 4 * 4  # the input's layer: 4 features, float32


def test_a_partition_that_follows_communities_beats_chance(report):
    found = report.tables["redundancy"].set_index(["sampler", "partitioner"])

    assert found.loc[("neighbour", "restreaming"), "cut"] < 0.5 * found.loc[("neighbour", "hash"), "cut"]
    assert found.loc[("neighbour", "hash"), "cut"] == pytest.approx(2 / 3, abs=0.03)
    assert found.loc[("labor", "hash"), "split_rows"] < found.loc[("neighbour", "hash"), "split_rows"]


def test_it_recommends_what_is_predicted_to_be_fastest(report):
    assert report.findings[0].startswith("Recommended for sage of width 256, neighbour sampling: ")
    assert set(report.figures) == {"redundancy", "seconds"}
    assert set(report.tables["rates"]["from"]) == {"given"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parts": []}, "parts is []; expected one or more"),
        ({"parts": [2, 2]}, "parts is [2, 2]; expected one or more, each once"),
        ({"partitioners": []}, "partitioners is []"),
        ({"samplers": []}, "samplers is []"),
        ({"batches": 0}, "batches is 0; expected 1 or more"),
        ({"presample_epochs": -1}, "presample_epochs is -1; expected 0 or more"),
        ({"network": "gcn"}, "network is 'gcn'; expected sage or gat"),
        ({"hidden": 0}, "hidden is 0; expected 1 or more"),
        ({"network": "gat", "hidden": 30}, "heads is 4, hidden 30; expected heads that divide it"),
        ({"rates": {"speed": 1.0}}, "there is no 'speed'; expected some of sample, load"),
        ({"rates": {"load": 0.0}}, "load is 0.0; expected a finite number above 0"),
        ({"rates": {"sample": float("nan")}}, "sample is nan; expected a finite number"),
    ],
)
def test_options_that_are_refused(options, said):
    with pytest.raises(UserError) as refused:
        Redundancy(**options)

    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parts": [0]}, "parts is 0; expected 1 to 65535"),
        ({"parts": [2001]}, "parts is 2001, but the graph has 2000 vertices"),
        ({"partitioners": ["metiss"]}, "partitioner 'metiss': expected restreaming, metis, hash"),
        ({"partitioners": ["absent.npy"]}, "absent.npy: no such file"),
    ],
)
def test_what_does_not_fit_the_graph_is_refused(options, said, data, tmp_path):
    runner = Runner(logger=False, enable_checkpointing=False)
    with pytest.raises(UserError, match=said):
        runner.analyze(Redundancy(rates=RATES, **options), datamodule=data, run=tmp_path / "run", quiet=True)


def test_the_shipped_config_plans_for_the_debian_graph(run_fulmen, tmp_path):
    config = Path(__file__).parents[2] / "configs" / "split_parallel" / "redundancy.yaml"
    limits = ["--analyzer.batches=1", "--analyzer.parts=[4]", "--analyzer.samplers=[neighbour]"]
    ran = run_fulmen(
        *("analyze", "--config", config, *limits, "--analyzer.hidden=8", "--run=run"),
        *("--engine", "processes", "--engine.workers", "1"),  # pieces are plain data: a cluster can have them
    )
    assert ran.status == 0, ran.stderr[-3000:]
    (row,) = (
        Report.load(tmp_path / "run").tables["redundancy"].query("partitioner == 'restreaming'").itertuples()
    )
    assert row.row_redundancy > 2
    assert row.cut < 0.2
    assert row.imbalance < 1.15
