"""The analyzer and the models pass the conformance kit."""

from __future__ import annotations

import numpy as np
import pytest

from fulmen.testing import AnalyzerConformance, ModelConformance

DATA = {
    "class_path": "fulmen_attention_granger.LinearVAR",
    "init_args": {"variables": 4, "samples": 240, "lags": 1, "parents": 1, "context": 4, "batch_size": 16},
}
MODEL = {
    "class_path": "fulmen_attention_granger.AttentionForecaster",
    "init_args": {"variables": 4, "lags": 2, "hidden": 8},
}


class TestAnalyzer(AnalyzerConformance):
    component = "attention_granger.attention_granger"
    init_args = {"effort": 0.05, "lags": 1, "member": "linear", "opponents": []}
    # Its own table of methods, which tells seconds, is made for a known truth alone.
    data = {"class_path": "fulmen_attention_granger.TimeSeries"}

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path_factory):
        x = np.random.default_rng(0).standard_normal((200, 4))
        x[1:, 1] += 0.8 * x[:-1, 0]
        file = tmp_path_factory.mktemp("series") / "x.npy"
        np.save(file, x)
        self.data = {"class_path": "fulmen_attention_granger.TimeSeries", "init_args": {"path": str(file)}}


class TestAnalyzerOfModel(AnalyzerConformance):
    component = "attention_granger.attention_granger"
    model, data = MODEL, DATA


class TestForecaster(ModelConformance):
    component = "attention_granger.forecaster"
    init_args = {"variables": 4, "lags": 3, "hidden": 8, "variance": True}
    data = DATA


class TestPaper(ModelConformance):
    component = "attention_granger.paper"
    init_args = {"variables": 4, "context": 4, "width": 8, "heads": 2, "head_width": 4, "hidden": 16}
    data = DATA
