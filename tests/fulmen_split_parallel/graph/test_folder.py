"""Graph folders: what is written is read, shared, and refused in one line if it is not a graph."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import fulmen
from fulmen_split_parallel.graph.errors import GraphError
from fulmen_split_parallel.graph.folder import load_graph, save_graph
from fulmen_split_parallel.graph.graph import Graph


def good() -> dict[str, np.ndarray]:
    """Five vertices, seven edges, one of them twice; vertex 4 has no edge at all."""
    return {
        "indptr": np.array([0, 2, 5, 6, 7, 7]),
        "indices": np.array([1, 2, 0, 0, 3, 1, 2], np.int32),
        "features": np.arange(15, dtype=np.float32).reshape(5, 3),
        "labels": np.array([0, 1, 2, 1, -1]),
        "train_idx": np.array([2, 0]),
        "valid_idx": np.array([1]),
        "test_idx": np.array([3, 4]),
        "edge_weight": np.linspace(0.5, 2, 7).astype(np.float32),
    }


def write(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def test_a_graph_is_read_as_it_was_written_and_mapped(tmp_path):
    graph = Graph(**good())
    save_graph(graph, tmp_path / "g", fulmen.write_artifact)

    loaded = load_graph(tmp_path / "g")

    for field in fields(graph):
        np.testing.assert_array_equal(getattr(loaded, field.name), getattr(graph, field.name))
        assert isinstance(getattr(loaded, field.name), np.memmap)
        assert not getattr(loaded, field.name).flags.writeable
    assert (loaded.num_vertices, loaded.num_edges, loaded.num_features, loaded.num_classes) == (5, 7, 3, 3)


def test_weights_splits_and_edges_may_be_absent(tmp_path):
    arrays = good() | dict.fromkeys(("train_idx", "valid_idx", "test_idx"), np.empty(0, np.int64))
    arrays |= {"indptr": np.zeros(6, np.int64), "indices": np.empty(0, np.int32)}
    del arrays["edge_weight"]

    graph = load_graph(write(tmp_path / "g", arrays))

    assert graph.edge_weight is None
    assert (graph.num_edges, len(graph.train_idx)) == (0, 0)


def test_the_fingerprint_is_of_the_topology_alone():
    graph = Graph(**good())
    turned = good()["indices"].copy()
    turned[[0, 1]] = turned[[1, 0]]

    assert replace(graph, indices=graph.indices.astype(np.int64)).fingerprint() == graph.fingerprint()
    assert replace(graph, labels=graph.labels * 0).fingerprint() == graph.fingerprint()
    assert replace(graph, indices=turned).fingerprint() != graph.fingerprint()
    assert replace(graph, indptr=np.array([0, 1, 5, 6, 7, 7])).fingerprint() != graph.fingerprint()


def at(name, place, value):
    """The good arrays with one number changed."""
    array = good()[name].copy()
    array[place] = value
    return {name: array}


BAD = {
    "indptr, not int64": (
        {"indptr": good()["indptr"].astype(np.int32)},
        "indptr has dtype int32; expected int64",
    ),
    "indptr, other byte order": ({"indptr": good()["indptr"].astype(">i8")}, "indptr has dtype >i8"),
    "indptr, a matrix": (
        {"indptr": np.zeros((2, 3), np.int64)},
        r"indptr has shape \(2, 3\); expected 1 dim",
    ),
    "indptr, empty": ({"indptr": np.empty(0, np.int64)}, "indptr holds 0 numbers"),
    "indptr, late": (at("indptr", 0, 1), "indptr starts with 1; expected 0"),
    "indptr, falling": (at("indptr", 2, 1), "indptr falls from 2 to 1 at vertex 1"),
    "indptr, short": (at("indptr", slice(3, 6), 6), "indptr ends with 6, but indices holds 7 edges"),
    "indices, floats": (
        {"indices": np.zeros(7, np.float32)},
        "indices has dtype float32; expected int32 or int64",
    ),
    "indices, negative": (at("indices", 3, -1), r"indices\[3\] is -1; expected a vertex, 0 to 4"),
    "indices, beyond": (at("indices", 6, 5), r"indices\[6\] is 5; expected a vertex, 0 to 4"),
    "features, of too few": ({"features": good()["features"][:4]}, "features holds 4 rows for 5 vertices"),
    "features, a vector": (
        {"features": np.zeros(5, np.float32)},
        r"features has shape \(5,\); expected 2 dim",
    ),
    "features, float64": (
        {"features": np.zeros((5, 3))},
        "features has dtype float64; expected float16 or float32",
    ),
    "features, without columns": ({"features": np.zeros((5, 0), np.float32)}, "features have no columns"),
    "features, column by column": (
        {"features": np.asfortranarray(good()["features"])},
        "features is not contiguous",
    ),
    "features, NaN": (at("features", (3, 1), np.nan), r"features\[3\] is not finite"),
    "features, infinite": (at("features", (0, 0), np.inf), r"features\[0\] is not finite"),
    "labels, int32": ({"labels": np.zeros(5, np.int32)}, "labels has dtype int32; expected int64"),
    "labels, of too many": ({"labels": np.zeros(6, np.int64)}, "labels holds 6 rows for 5 vertices"),
    "labels, below -1": (at("labels", 4, -2), "vertex 4 has label -2; expected 0 or more, or -1"),
    "train_idx, beyond": (at("train_idx", 1, 5), r"train_idx\[1\] is 5; expected a vertex, 0 to 4"),
    "valid_idx, negative": (at("valid_idx", 0, -3), r"valid_idx\[0\] is -3; expected a vertex"),
    "train_idx, twice": (at("train_idx", 1, 2), "train_idx names vertex 2 2 times"),
    "train_idx, a mask": (
        {"train_idx": np.ones(5, bool)},
        r"train_idx has dtype bool; expected int64. Convert it with numpy.flatnonzero\(mask\)",
    ),
    "train_idx, without label": (
        at("labels", 2, -1),
        r"vertex 2 of train_idx has no label \(-1\); expected",
    ),
    "valid_idx, without label": (at("labels", 1, -1), "vertex 1 of valid_idx has no label"),
    "splits, overlapping": (at("test_idx", 0, 0), "train_idx and test_idx share 1 vertices, such as 0"),
    "edge_weight, of too few": (
        {"edge_weight": np.ones(6, np.float32)},
        "edge_weight holds 6 rows for 7 edges",
    ),
    "edge_weight, float64": ({"edge_weight": np.ones(7)}, "edge_weight has dtype float64; expected float32"),
    "edge_weight, negative": (at("edge_weight", 4, -0.5), r"edge_weight\[4\] is -0.5; expected 0 or more"),
    "edge_weight, NaN": (at("edge_weight", 2, np.nan), r"edge_weight\[2\] is not finite"),
    "objects": (
        {"labels": np.array([0, "a", None, 1, 2], object)},
        "labels.npy: not a whole .npy file of numbers",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_graph_is_refused_in_one_line(case, tmp_path):
    change, message = BAD[case]
    folder = write(tmp_path / "g", good() | change)

    with pytest.raises(GraphError, match=message) as refused:
        load_graph(folder)

    assert "\n" not in str(refused.value)
    assert str(folder) in str(refused.value)


def test_files_that_are_missing_cut_short_or_something_else_are_refused(tmp_path):
    with pytest.raises(GraphError, match="nowhere: no such folder; expected a graph folder with indptr"):
        load_graph(tmp_path / "nowhere")

    folder = write(tmp_path / "g", good())
    whole = (folder / "features.npy").read_bytes()
    for content, message in (
        (whole[:-20], "not a whole .npy file"),
        (whole[:9], "not a whole .npy file"),
        (b"", "not a whole .npy file"),
        (b"index,label\n0,1\n" * 30, "not a whole .npy file"),
    ):
        (folder / "features.npy").write_bytes(content)
        with pytest.raises(GraphError, match=message):
            load_graph(folder)
    with (folder / "features.npy").open("wb") as file:
        np.savez(file, **good())
    with pytest.raises(GraphError, match=r"features\.npy: an \.npz archive; expected one array"):
        load_graph(folder)
    (folder / "features.npy").unlink()
    (folder / "labels.npy").unlink()
    with pytest.raises(GraphError, match=r"features.npy, labels.npy missing"):
        load_graph(folder)


def test_what_is_no_graph_is_not_written(tmp_path):
    with pytest.raises(GraphError, match=r"indices\[0\] is 9"):
        save_graph(Graph(**good() | at("indices", 0, 9)), tmp_path / "g", fulmen.write_artifact)

    assert not (tmp_path / "g").exists()


def test_features_are_not_read_where_nobody_wants_that(tmp_path):
    folder = write(tmp_path / "g", good() | at("features", (3, 1), np.nan))

    assert np.isnan(load_graph(folder, check_features=False).features[3, 1])
