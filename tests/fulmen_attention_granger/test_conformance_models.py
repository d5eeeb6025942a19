"""The analyzer and the models pass the conformance kit."""

from __future__ import annotations

import numpy as np
import pytest

from fulmen.errors import ConfigError
from fulmen.testing import AnalyzerConformance, ModelConformance
from fulmen_attention_granger import AttentionForecaster, LinearVAR, PaperForecaster
from fulmen_attention_granger.edges import COLUMNS
from fulmen_attention_granger.model_report import report_of_model

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


def test_the_report_of_a_model_has_the_same_columns_and_a_matrix():
    recordings = LinearVAR(variables=4, samples=240, lags=1, parents=1).recordings()
    report = report_of_model(AttentionForecaster(variables=4, lags=2, hidden=8), recordings)

    assert list(report.tables["edges"]) == list(COLUMNS)
    assert not report.tables["edges"].selected.any()
    assert {"score", "attention"} < set(report.arrays)
    assert set(report.figures) == {"matrix"}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (AttentionForecaster(variables=5, lags=2), "the model is of 5 variables, the data has 4"),
        (AttentionForecaster(), "the model has no weights to read; give --ckpt_path FILE"),
    ],
)
def test_a_model_that_cannot_read_the_data_is_refused(model, said):
    with pytest.raises(ConfigError, match=said):
        report_of_model(model, LinearVAR(variables=4, samples=240).recordings())


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        (AttentionForecaster, {"lags": 0}, "AttentionForecaster: lags is 0; expected 1 or more"),
        (AttentionForecaster, {"heads": 0}, "heads is 0"),
        (AttentionForecaster, {"knockouts": 3.0}, "knockouts is 3.0; expected 0 to 0.5"),
        (AttentionForecaster, {"lr": -1.0}, "lr is -1.0; expected 0 or more"),
        (AttentionForecaster, {"penalty": float("nan")}, "penalty is nan"),
        (PaperForecaster, {"heads": 0}, "PaperForecaster: heads is 0"),
        (PaperForecaster, {"dropout": 2.0}, "dropout is 2.0; expected 0 to 1"),
    ],
)
def test_an_option_out_of_its_range_is_refused(model, options, said):
    with pytest.raises(ConfigError, match=said):
        model(**options)


def test_a_checkpoint_of_another_model_is_refused():
    state = {"state_dict": AttentionForecaster(variables=4, lags=2).state_dict()}
    with pytest.raises(ConfigError, match="the checkpoint is of another model"):
        PaperForecaster().on_load_checkpoint(state)


class TestForecaster(ModelConformance):
    component = "attention_granger.forecaster"
    init_args = {"variables": 4, "lags": 3, "hidden": 8, "variance": True}
    data = DATA


class TestPaper(ModelConformance):
    component = "attention_granger.paper"
    init_args = {"variables": 4, "context": 4, "width": 8, "heads": 2, "head_width": 4, "hidden": 16}
    data = DATA
