"""The callbacks pass the conformance kit, on a graph and a network of their kind."""

from typing import Any, ClassVar

import pytest

from fulmen.testing import CallbackConformance


class GraphCallback(CallbackConformance):
    model: ClassVar[dict[str, Any]] = {
        "class_path": "split_parallel.sage",
        "init_args": {"in_channels": 6, "num_classes": 3, "hidden_channels": 8, "layers": 2},
    }

    @pytest.fixture(autouse=True)
    def _graph(self, small_folder):
        options = {"path": small_folder, "fanouts": [3, 2], "batch_size": 16}
        self.data = {"class_path": "split_parallel.graph", "init_args": options}


class TestCounters(GraphCallback):
    component = "split_parallel.counters"
    # The strategy brings it along: test_strategy.py and the strategy's suite do these with it.
    test_it_survives_two_processes = None
    test_it_works_in_plain_lightning = None
    test_resuming_equals_not_having_stopped = None


class TestPredictions(GraphCallback):
    component = "split_parallel.predictions"
    # It does nothing in fit; test_models.py predicts with it.
    test_it_survives_two_processes = None
    test_it_works_in_plain_lightning = None
    test_resuming_equals_not_having_stopped = None
