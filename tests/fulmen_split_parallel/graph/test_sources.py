"""Graphs that are generated, shipped, unpacked or held by PyG."""

from __future__ import annotations

import gzip
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from fulmen_split_parallel import DebianPackages, DegreeCorrectedSBM, OGBNodes, PyGGraph, RecursiveMatrix
from fulmen_split_parallel.graph.debian_index import pack_index
from fulmen_split_parallel.graph.errors import GraphError
from fulmen_split_parallel.graph.topology import merge_duplicate_edges
from fulmen_split_parallel.graph.validation import require_valid

SMALL = {"num_features": 8, "num_classes": 5}
GENERATORS = {
    "dc_sbm": DegreeCorrectedSBM(num_vertices=3000, communities=10, **SMALL),
    "rmat": RecursiveMatrix(scale=11, **SMALL),
}


def ends_of(graph):
    return np.repeat(np.arange(graph.num_vertices), np.diff(graph.indptr))


@pytest.mark.parametrize("name", GENERATORS)
def test_generated_graphs_are_simple_symmetric_unequal_and_the_same_again(name):
    source = GENERATORS[name]
    graph, again = source.make(), source.make()

    require_valid(graph)
    assert graph.fingerprint() == again.fingerprint()
    np.testing.assert_array_equal(graph.features, again.features)
    np.testing.assert_array_equal(graph.train_idx, again.train_idx)
    other = replace(source, seed=1)
    assert other.make().fingerprint() != graph.fingerprint()
    assert other.key() != source.key()

    pairs = set(zip(graph.indices.tolist(), ends_of(graph).tolist(), strict=True))
    assert len(pairs) == graph.num_edges
    assert all((end, source) in pairs and source != end for source, end in pairs)
    degree = np.diff(graph.indptr)
    assert degree.max() > 10 * np.median(degree)
    assert graph.num_classes == 5
    assert len(graph.train_idx) == graph.num_vertices // 10


def test_communities_hold_together_and_seeds_can_be_local():
    source = DegreeCorrectedSBM(
        num_vertices=4000, communities=8, mixing=0.2, num_classes=8, num_features=8, seed_communities=2
    )
    graph = source.make()
    inside = (graph.labels[graph.indices] == graph.labels[ends_of(graph)]).mean()

    # All but the mixed share, plus those that mix into their own by chance.
    assert abs(inside - (0.8 + 0.2 / 8)) < 0.04
    assert set(graph.labels[graph.train_idx].tolist()) == {0, 1}


def test_without_communities_nothing_but_degrees_matters():
    """R-MAT's quadrants: the share of edges that start in the low half is a + b, for both ends."""
    one, other = RecursiveMatrix(scale=10, edges_per_vertex=50, **SMALL)._edges(np.random.default_rng(0))

    for level in range(10):
        low = ((one >> level) & 1 == 0, (other >> level) & 1 == 0)
        assert abs(low[0].mean() - 0.65) < 0.01
        assert abs(low[1].mean() - 0.65) < 0.01
        assert abs((low[0] & low[1]).mean() - 0.45) < 0.01


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (DegreeCorrectedSBM, {"num_vertices": 1}),
        (DegreeCorrectedSBM, {"mixing": 1.5}),
        (DegreeCorrectedSBM, {"tail": 1.0}),
        (DegreeCorrectedSBM, {"seed_communities": 101}),
        (RecursiveMatrix, {"quadrants": (0.5, 0.4, 0.2)}),
        (RecursiveMatrix, {"scale": 0}),
        (RecursiveMatrix, {"train_share": 0.0}),
    ],
)
def test_generators_refuse_what_they_cannot_draw(make, options):
    with pytest.raises(GraphError, match=rf"{make.__name__}: {next(iter(options))} is "):
        make(**options).make()


def test_the_shipped_graph_is_that_of_debian():
    graph, one_way = DebianPackages().make(), DebianPackages(both_ways=False).make()

    require_valid(graph)
    assert (one_way.num_vertices, one_way.num_edges) == (63_666, 347_867)
    assert graph.num_edges > 1.9 * one_way.num_edges
    assert graph.num_classes == 58
    assert len(graph.train_idx) == len(graph.valid_idx) == len(graph.test_idx) == 12_733
    lengths = np.linalg.norm(graph.features.astype(np.float32), axis=1)
    assert ((abs(lengths - 1) < 0.01) | (lengths == 0)).all()
    # Packages of one section depend on each other more often than chance has it.
    alike = (graph.labels[graph.indices] == graph.labels[ends_of(graph)]).mean()
    shares = np.bincount(graph.labels) / graph.num_vertices
    assert alike > 3 * (shares**2).sum()


INDEX = """Package: b-tool
Section: non-free/utils
Depends: c-lib (>= 1.0) | virtual:any, missing
Recommends: b-tool
Description: Tool for the ~ tool

Package: a-app
Section: games
Pre-Depends: b-tool [amd64]
Suggests: c-lib
Description: A game
 of two lines

Package: c-lib
Section: libs
Provides: virtual (= 2)
Description:

Package: d-lib
Section: libs
Provides: virtual
"""


def test_an_index_becomes_edges_sections_and_buckets():
    packed = pack_index(INDEX)

    # a-app, b-tool, c-lib, d-lib: a needs b and c; b needs c, by name, and c and d by what they provide.
    assert packed["indptr"].tolist() == [0, 2, 4, 4, 4]
    assert packed["indices"].tolist() == [1, 2, 2, 3]
    assert packed["sections"].tolist() == ["games", "libs", "utils"]
    assert packed["labels"].tolist() == [0, 2, 1, 1]
    assert packed["word_counts"].tolist() == [1, 4, 0, 0]
    words = packed["words"]
    assert words[1] == words[4]  # tool, twice
    assert "tool" not in str(packed)
    with pytest.raises(GraphError, match="no packages"):
        pack_index("nothing")


def test_buckets_do_not_depend_on_the_process():
    code = "from fulmen_split_parallel.graph.debian_index import _buckets; print(_buckets('web browser'))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def pyg_data(**change):
    parts = {
        "x": torch.arange(8.0, dtype=torch.float64).reshape(2, 4).T,
        "edge_index": torch.tensor([[3, 0, 1, 0, 0], [1, 1, 0, 2, 2]]),
        "edge_weight": torch.tensor([1.0, 2, 3, 4, 5]),
        "y": torch.tensor([[1], [0], [-1], [1]]),
        **{
            mask: torch.arange(4) == place
            for place, mask in enumerate(("train_mask", "val_mask", "test_mask"))
        },
    } | change
    return Data(**{name: value for name, value in parts.items() if value is not None})


def test_a_graph_of_pyg_keeps_its_edges_and_their_weights():
    graph = PyGGraph(pyg_data()).make()

    require_valid(graph)
    assert graph.indptr.tolist() == [0, 1, 3, 5, 5]
    assert graph.indices.tolist() == [1, 0, 3, 0, 0]
    assert graph.edge_weight.tolist() == [3, 2, 1, 4, 5]
    assert graph.labels.tolist() == [1, 0, -1, 1]
    assert [graph.train_idx.tolist(), graph.valid_idx.tolist(), graph.test_idx.tolist()] == [[0], [1], [2]]
    assert graph.features.dtype == np.float32
    halves = PyGGraph(pyg_data(x=pyg_data().x.bfloat16())).make()
    assert halves.features.dtype == np.float32
    assert PyGGraph(pyg_data()).key() == PyGGraph(pyg_data()).key()
    assert PyGGraph(pyg_data(edge_weight=None)).key() != PyGGraph(pyg_data()).key()

    for change, message in (
        ({"train_mask": None}, "PyG data: no train_mask; expected tensors x, edge_index, y"),
        ({"x": [[0.0]] * 4}, "PyG data: x is a list; expected tensors x"),
        ({"x": torch.full((4, 2), torch.nan)}, r"PyG data: features\[0\] is not finite"),
        ({"y": torch.tensor([0.5, 1, 1, 0])}, "PyG data: y has dtype float32; expected integers"),
        ({"y": torch.tensor([0, 1])}, "PyG data: labels holds 2 rows for 4 vertices"),
        ({"train_mask": torch.tensor([0, 2])}, "train_mask has dtype int64 and shape .*; expected a bool"),
        ({"edge_weight": torch.ones(2)}, "edge_weight holds 2 numbers for 5 edges"),
        ({"edge_index": torch.rand(2, 5)}, "edge_index has dtype float32; expected integers"),
        ({"edge_index": torch.tensor([[0, 4], [1, 1]])}, "edge_index holds vertices 0 to 4; expected 0 to 3"),
        ({"edge_index": torch.tensor([0, 1])}, r"edge_index has shape \(2,\)"),
    ):
        with pytest.raises(GraphError, match=message):
            PyGGraph(pyg_data(**change)).make()


def test_several_edges_between_two_vertices_merge_to_one_with_the_sum_of_their_weights():
    merged = merge_duplicate_edges(PyGGraph(pyg_data()).make())

    require_valid(merged)
    assert merged.indptr.tolist() == [0, 1, 3, 4, 4]
    assert merged.indices.tolist() == [1, 0, 3, 0]
    assert merged.edge_weight.tolist() == [3, 2, 1, 9]


@pytest.fixture
def ogb_folder(tmp_path):
    """What OGB unpacks for a small data set, number for number."""
    folder = tmp_path / "ogbn_toy"
    files = {
        "raw/num-node-list.csv.gz": "4\n",
        "raw/num-edge-list.csv.gz": "3\n",
        "raw/edge.csv.gz": "3,1\n0,1\n1,0\n",
        "raw/node-feat.csv.gz": "0.5,1\n2,3\n4,5\n-1e-3,7\n",
        "raw/node-label.csv.gz": "1\n0\nnan\n1\n",
        "split/time/train.csv.gz": "3\n0\n",
        "split/time/valid.csv.gz": "1\n",
        "split/time/test.csv.gz": "2\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(gzip.compress(text.encode()))
    return folder


def test_a_data_set_in_ogbs_layout_is_read(ogb_folder):
    graph = OGBNodes("ogbn-toy", str(ogb_folder.parent)).make()

    require_valid(graph)
    assert graph.indptr.tolist() == [0, 1, 3, 3, 3]
    assert graph.indices.tolist() == [1, 0, 3]
    assert graph.labels.tolist() == [1, 0, -1, 1]
    np.testing.assert_array_equal(graph.features[3], np.float32([-1e-3, 7]))
    assert [graph.train_idx.tolist(), graph.valid_idx.tolist(), graph.test_idx.tolist()] == [[0, 3], [1], [2]]
    both = OGBNodes("ogbn-toy", str(ogb_folder.parent), both_ways=True).make()
    assert both.num_edges == 6


def test_a_data_set_that_is_not_there_or_not_whole_is_refused(ogb_folder):
    with pytest.raises(
        GraphError, match=r"ogbn_arxiv: no such folder; expected what OGB unpacks for ogbn-arxiv"
    ):
        OGBNodes("ogbn-arxiv", str(ogb_folder.parent)).make()
    toy = OGBNodes("ogbn-toy", str(ogb_folder.parent))
    feat = ogb_folder / "raw" / "node-feat.csv.gz"
    whole = feat.read_bytes()
    feat.write_bytes(whole[:-12])
    with pytest.raises(GraphError, match=r"node-feat.csv.gz: not a gzipped table of numbers"):
        toy.make()
    feat.unlink()
    with pytest.raises(GraphError, match=r"node-feat.csv.gz: no such file"):
        toy.make()
    feat.write_bytes(whole)
    (ogb_folder / "split" / "time" / "test.csv.gz").unlink()
    with pytest.raises(GraphError, match=r"0 files \*/test.csv.gz; expected one"):
        toy.make()
    (ogb_folder / "raw" / "edge.csv.gz").write_bytes(gzip.compress(b"3,4\n"))
    with pytest.raises(GraphError, match="vertices 3 to 4; expected 0 to 3"):
        toy.make()
