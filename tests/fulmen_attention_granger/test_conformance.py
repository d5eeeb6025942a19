"""Every component of fulmen_attention_granger's data passes the conformance kit."""

from __future__ import annotations

import numpy as np
import pytest
from plain_systems import train_each

from fulmen.testing import DataConformance, PluginConformance
from fulmen.testing.comparing import first_difference
from fulmen.testing.processes import in_fresh_processes


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


class System(DataConformance):
    """A simulated system. All share one process of plain Lightning, which is where their time goes."""

    test_they_work_in_plain_lightning = None


@pytest.mark.process
def test_each_system_works_in_plain_lightning(tmp_path):
    configs = {cls.component: cls().config for cls in System.__subclasses__()}
    (ended,) = in_fresh_processes(train_each, str(tmp_path), configs, folder=tmp_path)

    assert len(ended) == 9
    assert {name: first_difference(one["whole"], one["resumed"]) for name, one in ended.items()} == (
        dict.fromkeys(configs)
    )


class TestSpikingNetwork(System):
    component = "attention_granger.spiking_network"
    init_args = {"neurons": 4, "samples": 400, "missing": 0.1}


class TestGradedNetwork(System):
    component = "attention_granger.graded_network"
    init_args = {"neurons": 4, "samples": 300}


class TestLorenz96(System):
    component = "attention_granger.lorenz96"
    init_args = {"variables": 5, "samples": 300}


class TestLinearVAR(System):
    component = "attention_granger.linear_var"
    init_args = {"variables": 5, "samples": 300}


class TestHenon(System):
    component = "attention_granger.henon"
    init_args = {"maps": 4, "samples": 300}


class TestNonlinearVAR(System):
    component = "attention_granger.nonlinear_var"
    init_args = {"variables": 4, "samples": 300}


class TestUnconnected(System):
    component = "attention_granger.unconnected"
    init_args = {"variables": 4, "samples": 300, "kind": "shifting"}


class TestCommonDriver(System):
    component = "attention_granger.common_driver"
    init_args = {"targets": 3, "samples": 300}


class TestHiddenDrivers(System):
    component = "attention_granger.hidden_drivers"
    init_args = {"variables": 6, "samples": 300, "hidden": 1, "children": 2}


class TestGrasshopper(DataConformance):
    component = "attention_granger.grasshopper"
    init_args = {"bin_ms": 20.0}

    @pytest.fixture(autouse=True)
    def _package(self):
        pytest.importorskip("nitime")
