"""Every component of fulmen_attention_granger's data passes the conformance kit."""

from __future__ import annotations

import numpy as np
import pytest

from fulmen.testing import DataConformance, PluginConformance


class TestPlugin(PluginConformance):
    plugin = "attention_granger"


class TestTimeSeries(DataConformance):
    component = "attention_granger.time_series"

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path):
        generator = np.random.default_rng(0)
        for trial in ("first", "second"):
            np.save(tmp_path / f"{trial}.npy", generator.standard_normal((120, 3)))
        self.init_args = {"path": [str(tmp_path / "first.npy"), str(tmp_path / "second.npy")]}


class TestSpikingNetwork(DataConformance):
    component = "attention_granger.spiking_network"
    init_args = {"neurons": 4, "samples": 400, "missing": 0.1}


class AnotherSystem(DataConformance):
    """Nothing but the simulated arrays differs from TestSpikingNetwork, which pays for fresh processes."""

    test_they_work_in_plain_lightning = None


class TestGradedNetwork(AnotherSystem):
    component = "attention_granger.graded_network"
    init_args = {"neurons": 4, "samples": 300}


class TestLorenz96(DataConformance):
    component = "attention_granger.lorenz96"
    init_args = {"variables": 5, "samples": 300}


class TestLinearVAR(AnotherSystem):
    component = "attention_granger.linear_var"
    init_args = {"variables": 5, "samples": 300}


class TestHenon(AnotherSystem):
    component = "attention_granger.henon"
    init_args = {"maps": 4, "samples": 300}


class TestNonlinearVAR(AnotherSystem):
    component = "attention_granger.nonlinear_var"
    init_args = {"variables": 4, "samples": 300}


class TestUnconnected(AnotherSystem):
    component = "attention_granger.unconnected"
    init_args = {"variables": 4, "samples": 300, "kind": "shifting"}


class TestCommonDriver(AnotherSystem):
    component = "attention_granger.common_driver"
    init_args = {"targets": 3, "samples": 300}


class TestHiddenDrivers(AnotherSystem):
    component = "attention_granger.hidden_drivers"
    init_args = {"variables": 6, "samples": 300, "hidden": 1, "children": 2}


class TestGrasshopper(DataConformance):
    component = "attention_granger.grasshopper"
    init_args = {"bin_ms": 20.0}

    @pytest.fixture(autouse=True)
    def _package(self):
        pytest.importorskip("nitime")
