"""The strategy passes the conformance kit, on a graph and a network of its kind."""

from typing import Any, ClassVar

import pytest

from fulmen.testing import StrategyConformance


class TestSplitParallel(StrategyConformance):
    component = "split_parallel.split_parallel"
    init_args: ClassVar[dict[str, Any]] = {"presample_epochs": 1, "transport": "shm"}
    processes = 2
    model: ClassVar[dict[str, Any]] = {
        "class_path": "split_parallel.sage",
        "init_args": {"in_channels": 6, "num_classes": 3, "hidden_channels": 8, "layers": 2},
    }

    @pytest.fixture(autouse=True)
    def _graph(self, small_folder, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        options = {"path": small_folder, "fanouts": [3, 2], "batch_size": 16}
        self.data = {"class_path": "split_parallel.graph", "init_args": options}

    # test_strategy.py does these in more processes, and compares each step with one process's in float64.
    test_it_equals_one_device = None
    test_it_accumulates_gradients = None
    test_it_keeps_to_the_precision = None
    test_resuming_equals_not_having_stopped = None
    test_its_checkpoint_has_the_models_keys = None
    test_it_finds_the_known_solution = None
