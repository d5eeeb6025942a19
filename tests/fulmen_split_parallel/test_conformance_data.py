"""The data and the graphs of fulmen_split_parallel pass the conformance kit."""

from __future__ import annotations

import gzip

import pytest

from fulmen.testing import DataConformance, PluginConformance
from fulmen.testing.component import ComponentConformance

TOY = {"num_features": 4, "num_classes": 3}


class TestPlugin(PluginConformance):
    plugin = "split_parallel"


class TestGraph(DataConformance):
    component = "split_parallel.graph"

    @pytest.fixture(autouse=True)
    def _cache(self, tmp_path_factory):
        self.init_args = {
            "path": {"class_path": "dc_sbm", "init_args": {"num_vertices": 300, "communities": 3, **TOY}},
            "fanouts": [3, 2],
            "batch_size": 8,
            "cache": str(tmp_path_factory.mktemp("cache")),
        }

    def batches(self, times=1, count=20):
        given = super().batches(times, count)
        for batch in (batch for loader in given.values() for batch in loader):
            for stage in ("sample_seconds", "load_seconds"):  # all else is the same to the last bit
                assert batch.counts.pop(stage) >= 0
        return given


class _Source(ComponentConformance):
    kind = "graph"

    def test_it_makes_the_same_graph_again_under_the_same_key(self):
        one, other = self.make(), self.make()

        assert one.key() == other.key()
        assert one.make().fingerprint() == other.make().fingerprint()


class TestDebian(_Source):
    component = "split_parallel.debian"


class TestDegreeCorrected(_Source):
    component = "split_parallel.dc_sbm"
    init_args = {"num_vertices": 200, "communities": 4, **TOY}


class TestRecursiveMatrix(_Source):
    component = "split_parallel.rmat"
    init_args = {"scale": 7, **TOY}


class TestOGB(_Source):
    component = "split_parallel.ogb"

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        files = {"num-node-list": "2", "edge": "0,1", "node-feat": "1,2\n3,4", "node-label": "0\n1"}
        files = {f"raw/{name}": text for name, text in files.items()}
        files |= {"split/any/train": "0", "split/any/valid": "1", "split/any/test": "1"}
        for name, text in files.items():
            path = tmp_path / "ogbn_toy" / f"{name}.csv.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(text.encode()))
        self.init_args = {"name": "ogbn-toy", "root": str(tmp_path)}
