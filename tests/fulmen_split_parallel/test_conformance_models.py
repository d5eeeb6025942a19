"""The models pass the conformance kit, on data that pass it too."""

from typing import Any, ClassVar

import pytest

from fulmen.testing import ModelConformance

DATA = {"fanouts": [3, 2], "batch_size": 16}
SIZES = {"in_channels": 6, "num_classes": 3}
STACK = {**SIZES, "hidden_channels": 8, "layers": 2}


class GraphModel(ModelConformance):
    fanouts: ClassVar[list[int]] = [3, 2]

    @pytest.fixture(autouse=True)
    def _graph(self, small_folder):
        options = {"path": small_folder, "fanouts": self.fanouts, "batch_size": 16}
        self.data = {"class_path": "split_parallel.graph", "init_args": options}


class TestSage(GraphModel):
    component = "split_parallel.sage"
    init_args: ClassVar[dict[str, Any]] = {
        **STACK,
        "residual": True,
        "jump": "cat",
        "norm": "batch",
        "dropout": 0.2,
        "inference": "layerwise",
    }


class TestNodeClassifier(GraphModel):
    component = "split_parallel.node_classifier"
    init_args: ClassVar[dict[str, Any]] = {
        "network": {"class_path": "fulmen_split_parallel.networks.GIN", "init_args": STACK},
        "num_classes": 3,
    }


class TestGat(GraphModel):
    component = "split_parallel.gat"
    init_args: ClassVar[dict[str, Any]] = {**STACK, "heads": 2, "version": 2}
    # The LightningModule is TestSage's: its processes are not started once more for another network.
    test_it_works_in_plain_lightning = None


class TestMlp(GraphModel):
    component = "split_parallel.mlp"
    init_args: ClassVar[dict[str, Any]] = STACK
    fanouts: ClassVar[list[int]] = []
    test_it_works_in_plain_lightning = None
