"""The data module: the same mini-batches for one process and several, resumable, shared, or refused."""

from __future__ import annotations

import json
import sys
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import fulmen
from fulmen.errors import ConfigError, DataError
from fulmen.testing.processes import in_fresh_processes
from fulmen_split_parallel import DebianPackages, DegreeCorrectedSBM, GraphData, PyGGraph
from fulmen_split_parallel.graph.folder import save_graph
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.graph_cache import default_cache, made_once

sys.path.insert(0, str(Path(__file__).parent))

import private_memory

GENERATED = DegreeCorrectedSBM(
    num_vertices=600, communities=4, num_features=8, num_classes=4, train_share=0.2
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def make(cache):
    def made(**options):
        return GraphData(
            **{"path": GENERATED, "fanouts": [4, 3], "batch_size": 50, "cache": cache, **options}
        )

    return made


def of_rank(data, rank, ranks, epoch=0):
    """The same data as a rank of a Trainer sees them."""
    data.trainer = SimpleNamespace(global_rank=rank, world_size=ranks, current_epoch=epoch)
    return data


@pytest.mark.parametrize("sampler", ["neighbour", "labor"])
def test_a_mini_batch_is_what_its_blocks_and_features_say(make, sampler):
    data = make(sampler=sampler, batch_size=1000)
    (batch,) = data.train_dataloader()
    graph = data.graph

    assert sorted(batch.seeds.tolist()) == sorted(graph.train_idx.tolist())
    np.testing.assert_array_equal(batch.y, graph.labels[batch.seeds])
    np.testing.assert_array_equal(batch.x, graph.features[batch.inputs])
    assert batch.x.dtype == torch.float32
    for layer in batch.layers:
        sources = layer.sources[layer.edge_index[0]].tolist()
        ends = layer.destinations[layer.edge_index[1]].tolist()
        existing = set(
            zip(
                graph.indices.tolist(), np.repeat(np.arange(600), np.diff(graph.indptr)).tolist(), strict=True
            )
        )
        assert set(zip(sources, ends, strict=True)) <= existing
        assert torch.bincount(layer.edge_index[1]).max() <= (4 if sampler == "neighbour" else 60)
    assert batch.counts["edges"] == sum(layer.num_edges for layer in batch.layers)
    assert batch.counts["input_rows"] == len(batch.inputs)


@pytest.mark.parametrize("ranks", [2, 4, 7])
def test_ranks_of_a_data_parallel_run_see_together_what_one_process_sees(make, ranks):
    whole = list(of_rank(make(), 0, 1, epoch=3).train_dataloader())
    parts = [list(of_rank(make(), rank, ranks, epoch=3).train_dataloader()) for rank in range(ranks)]

    for step, batch in enumerate(whole):
        shares = [part[step] for part in parts]
        assert sorted(seed for share in shares for seed in share.seeds.tolist()) == sorted(
            batch.seeds.tolist()
        )
        assert all((share.num_seeds, share.num_shares) == (len(batch.seeds), ranks) for share in shares)
        assert {share.key for share in shares} == {batch.key}
        # The seeds' edges are those that one process draws for them.
        drawn = {edge for share in shares for edge in named_edges(share)}
        assert drawn == set(named_edges(batch))
    # Epoch 3 has 3 mini-batches of 50, 50 and 20 seeds: among 7 ranks some have fewer.
    assert [len(batch.seeds) for batch in whole] == [50, 50, 20]


def named_edges(batch):
    layer = batch.layers[-1]
    return zip(
        layer.sources[layer.edge_index[0]].tolist(),
        layer.destinations[layer.edge_index[1]].tolist(),
        strict=True,
    )


def test_more_ranks_than_seeds_leave_ranks_with_nothing_to_do(make):
    batch = list(of_rank(make(batch_size=50), 49, 60).train_dataloader())[2]

    assert (len(batch.seeds), len(batch.inputs), batch.layers[0].num_edges) == (0, 0, 0)
    assert batch.num_seeds == 20


def test_epochs_differ_in_training_and_are_alike_in_evaluation(make):
    data = make()
    train = [[batch.seeds.tolist() for batch in data.train_dataloader()] for _ in range(2)]
    # Without a Trainer each loader begins at its own epoch; with one, at the Trainer's.
    assert sorted(chain(*train[0])) == sorted(chain(*train[1]))
    assert train[0] != train[1]
    valid = [[batch.inputs.tolist() for batch in data.val_dataloader()] for _ in range(2)]
    assert valid[0] == valid[1]
    assert next(iter(data.val_dataloader())).seeds.tolist() == data.graph.valid_idx[:50].tolist()


def test_prediction_goes_over_every_vertex_once_in_order(make):
    for predict, expected in (("all", np.arange(600)), ("test", None)):
        data = make(predict=predict)
        expected = data.graph.test_idx if expected is None else expected
        assert torch.cat([batch.seeds for batch in data.predict_dataloader()]).tolist() == expected.tolist()


@pytest.mark.parametrize("ahead", [True, False])
def test_an_epoch_that_was_broken_off_goes_on_at_the_next_mini_batch(make, ahead):
    whole = [batch.inputs.tolist() for batch in of_rank(make(ahead=ahead), 0, 1, epoch=2).train_dataloader()]
    loader = of_rank(make(ahead=ahead), 0, 1, epoch=2).train_dataloader()
    batches = iter(loader)
    next(batches)
    state = json.loads(json.dumps(loader.state_dict()))
    batches.close()

    resumed = of_rank(make(ahead=ahead), 0, 1, epoch=2).train_dataloader()
    resumed.load_state_dict(state)
    assert [batch.inputs.tolist() for batch in resumed] == whole[1:]
    assert [batch.inputs.tolist() for batch in resumed] == whole  # once
    next_epoch = of_rank(make(ahead=ahead), 0, 1, epoch=3).train_dataloader()
    next_epoch.load_state_dict(state)
    assert len(list(next_epoch)) == 3


def test_the_seed_is_the_options_or_that_of_seed_everything(make, monkeypatch):
    def first(**options):
        return next(iter(make(**options).train_dataloader())).seeds.tolist()

    monkeypatch.setenv("PL_GLOBAL_SEED", "5")
    assert first() == first(seed=5)
    assert first() != first(seed=6)
    monkeypatch.delenv("PL_GLOBAL_SEED")
    assert first() == first(seed=0)


def test_a_made_graph_is_kept_whole_and_made_once(tmp_path):
    class Counting(DegreeCorrectedSBM):
        made = 0

        def make(self):
            type(self).made += 1
            return super().make()

    source = Counting(num_vertices=50, communities=2, num_features=2, num_classes=2)
    first = made_once(source, tmp_path, False, fulmen.write_artifact)
    assert made_once(source, tmp_path, False, fulmen.write_artifact) == first
    assert Counting.made == 1
    (first / "whole").unlink()  # as after a kill
    made_once(source, tmp_path, False, fulmen.write_artifact)
    assert Counting.made == 2
    assert isinstance(GraphData(source, cache=str(tmp_path)).graph.features, np.memmap)
    assert Counting.made == 2


def test_caches_are_where_the_user_has_them(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert str(default_cache()) == "/somewhere/fulmen/split_parallel"


def test_graphs_are_found_by_name_and_edges_kept_or_merged(tmp_path, make):
    assert isinstance(GraphData("debian").source, DebianPackages)
    assert GraphData("ogbn-products", ogb_root="x").source.name == "ogbn-products"
    nothing = np.empty(0, np.int64)
    twice = Graph(
        np.array([0, 3, 3]),
        np.array([1, 1, 0]),
        np.ones((2, 1), np.float32),
        np.zeros(2, np.int64),
        np.array([0]),
        np.array([1]),
        nothing,
    )
    save_graph(twice, tmp_path / "g", fulmen.write_artifact)
    path = str(tmp_path / "g")
    assert make(path=path).graph.num_edges == 3
    assert make(path=path, duplicate_edges="merge").graph.indices.tolist() == [0, 1]


def test_data_of_pyg_become_mini_batches(make):
    from torch_geometric.data import Data

    masks = {
        name: torch.arange(6) % 3 == place
        for place, name in enumerate(("train_mask", "val_mask", "test_mask"))
    }
    data = Data(
        x=torch.rand(6, 2), edge_index=torch.tensor([[0, 1, 2], [3, 3, 3]]), y=torch.arange(6) % 2, **masks
    )

    (batch,) = make(path=PyGGraph(data), fanouts=[-1]).train_dataloader()

    assert sorted(batch.inputs.tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0; expected 1 or more"),
        ({"path": "debain"}, "path is 'debain': no such folder; did you mean the graph 'debian'?"),
        ({"threads": 0}, "threads is 0; expected 1 or more"),
        ({"threads": 10**6}, "threads is 1000000; expected 256 at most"),
        ({"seed": -1}, "seed is -1; expected 0 or more"),
        ({"fanouts": [5, 0]}, r"fanouts: fanouts \[5, 0\]: expected one number for each layer"),
        ({"eval_fanouts": [5]}, "eval_fanouts has 1 numbers, fanouts 2; expected as many"),
        ({"sampler": "saint"}, "sampler is 'saint'; expected one of neighbour, labor"),
        ({"duplicate_edges": "drop"}, "duplicate_edges is 'drop'; expected one of keep, merge"),
        ({"path": DegreeCorrectedSBM(mixing=2)}, "data: DegreeCorrectedSBM: mixing is 2; expected what"),
        ({"predict": "none"}, "predict is 'none'; expected one of all, train, valid, test"),
    ],
)
def test_options_out_of_range_are_refused_at_once(make, options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options)


def test_graphs_that_are_not_there_or_lack_what_a_stage_needs_are_refused(make, tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder"):
        make(path=str(tmp_path / "nowhere")).setup("fit")
    with pytest.raises(DataError, match="ogbn_arxiv: no such folder"):
        make(path="ogbn-arxiv", ogb_root=str(tmp_path)).prepare_data()
    graph = Graph(
        np.array([0, 1, 1]),
        np.array([1]),
        np.ones((2, 1), np.float32),
        np.array([0, -1]),
        np.empty(0, np.int64),
        np.array([0]),
        np.array([1]),
    )
    save_graph(graph, tmp_path / "g", fulmen.write_artifact)
    data = make(path=str(tmp_path / "g"))
    with pytest.raises(DataError, match="g: train_idx is empty; expected one vertex at least"):
        data.train_dataloader()
    with pytest.raises(DataError, match=r"vertex 1 of test_idx has no label \(-1\); expected a label"):
        data.test_dataloader()
    assert len(list(data.predict_dataloader())) == 1


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_private_memory_does_not_grow_with_the_feature_matrix(tmp_path):
    ((first, second, copied),) = in_fresh_processes(
        private_memory.of_training, str(tmp_path), folder=tmp_path
    )

    assert second < 1.05 * first  # 102 MB more of features
    assert copied > 1.2 * second  # and the measure would have seen them
