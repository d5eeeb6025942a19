"""Partitions on disk: whole, of this graph, of so many parts; or one line that says what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from partition_toys import cliques, graph_of

from fulmen import write_artifact
from fulmen_split_parallel import DegreeCorrectedSBM
from fulmen_split_parallel.partition import cache
from fulmen_split_parallel.partition.cache import cache_path, cached_partition
from fulmen_split_parallel.partition.errors import PartitionError
from fulmen_split_parallel.partition.make import partition
from fulmen_split_parallel.partition.metis import metis
from fulmen_split_parallel.partition.partition import load_partition, save_partition
from fulmen_split_parallel.partition.weighted_graph import weighted_graph

OPTIONS = {"fanouts": [3, 3], "batch_size": 8, "presample_epochs": 1}


@pytest.fixture
def graph():
    return cliques(4, 6, bridges=[(0, 6), (7, 12)])


def test_a_file_gives_back_what_was_saved(graph, tmp_path):
    made = partition(graph, "restreaming", 3, **OPTIONS)
    save_partition(made, tmp_path / "p.npz", write_artifact)
    found = load_partition(tmp_path / "p.npz")

    assert (found.owner == made.owner).all()
    assert found.owner.dtype == made.owner.dtype
    assert (found.inputs == made.inputs).all()
    assert (found.parts, found.graph, found.recipe, found.digest) == (
        made.parts,
        made.graph,
        made.recipe,
        made.digest,
    )
    assert partition(graph, str(tmp_path / "p.npz"), 3, **OPTIONS).digest == made.digest


def test_the_cache_makes_each_partition_once(graph, tmp_path, monkeypatch):
    made = cached_partition(tmp_path, graph, "restreaming", 2, **OPTIONS, write=write_artifact)
    monkeypatch.setattr(
        "fulmen_split_parallel.partition.cache.partition", None
    )  # whoever makes one now, fails
    again = cached_partition(tmp_path, graph, "restreaming", 2, **OPTIONS, write=write_artifact)

    assert again.digest == made.digest
    assert len(list(tmp_path.iterdir())) == 1


def test_whatever_changes_a_partition_changes_its_place(graph, tmp_path):
    base = {"method": "restreaming", "parts": 2, "seed": 0, "sampler": "neighbour", **OPTIONS}
    changes = {
        "method": "hash",
        "parts": 3,
        "seed": 1,
        "sampler": "labor",
        "fanouts": [3],
        "batch_size": 9,
        "presample_epochs": 2,
    }
    paths = [cache_path(tmp_path, graph, **{**base, name: value}) for name, value in changes.items()]
    paths += [cache_path(tmp_path, graph, **base), cache_path(tmp_path, cliques(4, 6), **base)]
    paths.append(cache_path(tmp_path, graph_of([(0, 1)], 2, train=[0]), **base))
    paths.append(cache_path(tmp_path, graph_of([(0, 1)], 2, train=[1]), **base))

    assert len(set(paths)) == len(paths) == 11


def test_a_method_that_decides_otherwise_comes_with_a_new_place(monkeypatch, tmp_path):
    """Kept partitions of an older method are not taken for the new one's."""
    source = DegreeCorrectedSBM(num_vertices=2000, num_features=1, communities=10)
    graph = source.make()
    owner = partition(graph, "restreaming", 4, [5, 5], 100).owner
    decided = int(np.bitwise_xor.reduce((owner.astype(np.int64) + 1) * np.arange(1, 2001)))

    assert (decided, cache.DECIDED_BY) == (4812, 2), (
        "restreaming decides otherwise than before: raise DECIDED_BY in partition/cache.py; write both here"
    )
    before = cache_path(tmp_path, graph, "restreaming", 4, [5, 5], 100)
    monkeypatch.setattr(cache, "DECIDED_BY", cache.DECIDED_BY + 1)
    assert cache_path(tmp_path, graph, "restreaming", 4, [5, 5], 100) != before


def test_the_hottest_rows_of_a_part_come_first(graph):
    made = partition(graph, "restreaming", 2, **OPTIONS)
    for part in (0, 1):
        rows = made.hottest(part, 1000)
        heat = made.inputs[rows].astype(int)

        assert (made.owner[rows] == part).all()
        assert (np.diff(heat) <= 0).all()
        assert set(rows) == set(np.flatnonzero((made.owner == part) & (made.inputs > 0)))
        assert made.hottest(part, 2).tolist() == rows[:2].tolist()
    assert partition(graph, "hash", 2, [3], 8, 0).hottest(0, 5).size == 0


def _map(tmp_path, values, dtype=np.int64):
    np.save(tmp_path / "map.npy", np.asarray(values, dtype))
    return str(tmp_path / "map.npy")


def _file(tmp_path, content):
    (tmp_path / "map.npy").write_bytes(content)
    return str(tmp_path / "map.npy")


def _archive(tmp_path):
    with (tmp_path / "map.npy").open("wb") as file:
        np.savez(file, np.arange(24) % 2)
    return str(tmp_path / "map.npy")


def _truncated(tmp_path):
    np.save(tmp_path / "map.npy", np.arange(1000))
    return _file(tmp_path, (tmp_path / "map.npy").read_bytes()[:-100])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: _map(path, [0] * 23), "maps 23 vertices, the graph has 24"),
        (lambda path: _map(path, [0, 1, 2] * 8), "vertex 2 is in part 2; with 2 parts they are 0 to 1"),
        (lambda path: _map(path, [0, -1] * 12), "vertex 1 is in part -1"),
        (lambda path: _map(path, [0] * 24), "part 1 of 2 is empty"),
        (lambda path: _map(path, [0.0, 1.0] * 12, np.float32), "holds float32 of shape (24,)"),
        (lambda path: _map(path, [[0, 1]] * 24), "holds int64 of shape (24, 2)"),
        (lambda path: _map(path, ["0", "1"] * 12, "U1"), "expected one integer a vertex"),
        (lambda path: _map(path, [None] * 24, object), "not a whole .npy file of numbers"),
        (lambda path: _file(path, b"0,1\n"), "not a whole .npy file of numbers"),
        (lambda path: _file(path, b""), "not a whole .npy file of numbers"),
        (_archive, "an .npz archive; expected one array"),
        (_truncated, "not a whole .npy file of numbers"),
        (lambda path: str(path / "absent.npy"), "no such file"),
        (lambda path: str(path / "absent.npz"), "no such file"),
        (lambda path: "metiss", "expected restreaming, metis, hash"),
    ],
)
def test_maps_that_are_refused(make, said, graph, tmp_path):
    with pytest.raises(PartitionError) as refused:
        partition(graph, make(tmp_path), 2, **OPTIONS)

    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parts": 0}, "parts is 0; expected 1 to 65535"),
        ({"parts": 70_000}, "parts is 70000; expected 1 to 65535"),
        ({"parts": 25}, "parts is 25, but the graph has 24 vertices"),
        ({"batch_size": 0}, "batch_size is 0; expected 1 or more"),
        ({"presample_epochs": -1}, "presample_epochs is -1; expected 0 or more"),
        ({"sampler": "ladies"}, "sampler is 'ladies'; expected neighbour or labor"),
    ],
)
def test_options_that_are_refused(options, said, graph):
    with pytest.raises(PartitionError, match=said.replace("(", r"\(")):
        partition(graph, **{"method": "restreaming", "parts": 2, **OPTIONS, **options})


def test_no_training_vertices_to_presample_from():
    graph = graph_of([(0, 1)], 2, train=[])

    with pytest.raises(
        PartitionError, match="no training vertices to sample from; set presample_epochs to 0"
    ):
        partition(graph, "restreaming", 2, **OPTIONS)


def test_files_of_another_graph_or_number_of_parts_and_damaged_ones(graph, tmp_path):
    path = tmp_path / "p.npz"
    save_partition(partition(graph, "hash", 2, **OPTIONS), path, write_artifact)
    other, smaller = cliques(4, 6), cliques(2, 6)
    cases = [
        (graph, 3, "has 2 parts, 3 ranks are to share the graph"),
        (other, 2, "was made for graph"),
        (smaller, 2, "maps 24 vertices, the graph has 12"),
    ]
    for unfit, parts, said in cases:
        with pytest.raises(PartitionError, match=said):
            partition(unfit, str(path), parts, **OPTIONS)

    whole = path.read_bytes()
    for damaged in (whole[:-40], whole[: len(whole) // 2], b"", b"PK\x03\x04 and so on"):
        path.write_bytes(damaged)
        with pytest.raises(PartitionError, match="delete it and partition again"):
            load_partition(path)
    with path.open("wb") as file:
        np.savez(file, owner=np.zeros(3, np.uint8))
    with pytest.raises(PartitionError, match="delete it and partition again"):
        load_partition(path)


def test_a_map_that_was_changed_in_its_file_is_noticed(graph, tmp_path):
    path = tmp_path / "p.npz"
    save_partition(partition(graph, "hash", 2, **OPTIONS), path, write_artifact)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["owner"][:2] = 1 - arrays["owner"][:2]
    np.savez(path, **arrays)

    with pytest.raises(PartitionError, match="not the one that it names"):
        load_partition(path)


def test_metis_that_gives_up_says_so_in_one_line(graph, monkeypatch):
    def give_up(*_, **__):
        raise RuntimeError("unknown exception")

    monkeypatch.setattr("pymetis.part_graph", give_up)
    weighted = weighted_graph(graph.indptr, graph.indices, np.ones(graph.num_edges, np.int64), np.ones(24))

    with pytest.raises(PartitionError, match=r"gave up on 24 vertices .*unknown exception.*use restreaming"):
        metis(weighted, 2)


def test_metis_without_pymetis_names_the_extra(graph, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(PartitionError, match=r"pip install 'fulmen\[pymetis\]'"):
        partition(graph, "metis", 2, **OPTIONS)
