"""The planner passes the conformance kit."""

from __future__ import annotations

import pytest
from planning_rates import RATES

from fulmen.testing import AnalyzerConformance


class TestRedundancy(AnalyzerConformance):
    component = "split_parallel.redundancy"
    init_args = {"parts": [2, 3], "batches": 7, "rates": RATES, "hidden": 16}

    @pytest.fixture(autouse=True)
    def _data(self, tmp_path):
        source = {"class_path": "fulmen_split_parallel.DegreeCorrectedSBM"}
        source["init_args"] = {"num_vertices": 800, "communities": 4, "num_features": 4}
        self.data = {
            "class_path": "split_parallel.graph",
            "init_args": {
                "path": source,
                "fanouts": [3, 3],
                "batch_size": 10,
                "cache": str(tmp_path / "cache"),
            },
        }
