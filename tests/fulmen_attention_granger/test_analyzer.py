"""The analyzer refuses what makes no sense before any work; the graph does not depend on how it is called."""

from __future__ import annotations

import numpy as np
import pytest

from fulmen.errors import DataError, UserError
from fulmen_attention_granger import AttentionGranger, Recordings, granger_graph
from fulmen_attention_granger.recordings import default_names

NAN, INF = float("nan"), float("inf")
BAD_OPTIONS = [
    ({"lags": 0}, "lags is 0; expected 1 or more, or null"),
    ({"lags": -3}, "lags is -3"),
    ({"max_lags": 0}, "max_lags is 0"),
    ({"member": "quadratic"}, "member is quadratic; expected one of linear, nonlinear, heteroscedastic"),
    ({"q": 0.0}, "q is 0.0; expected above 0 and below 1"),
    ({"q": 1.0}, "q is 1.0"),
    ({"q": NAN}, "q is nan"),
    ({"score": "beauty"}, "score is beauty; expected one of contribution"),
    ({"test": "F"}, "test is F; expected one of contribution"),
    ({"folds": 1}, "folds is 1; expected 2 or more"),
    ({"seeds": 0}, "seeds is 0"),
    ({"effort": 0.0}, "effort is 0.0; expected above 0"),
    ({"effort": INF}, "effort is inf"),
    ({"effort": NAN}, "effort is nan"),
    ({"opponents": ["var_granger", "mvgc"]}, "expected some of var_granger, spike_regression"),
    ({"opponent_seconds": 0.0}, "opponent_seconds is 0.0"),
    ({"opponent_seconds": NAN}, "opponent_seconds is nan"),
]


@pytest.mark.parametrize(("options", "said"), BAD_OPTIONS, ids=lambda value: str(value)[:40])
def test_an_option_that_makes_no_sense_is_refused_in_one_line(options, said):
    with pytest.raises(UserError) as refused:
        AttentionGranger(**options)

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


NOISE = np.random.default_rng(0).standard_normal((300, 3))
BAD_ARRAYS = [
    ([NOISE[:30]], "record longer"),
    ([np.where(np.arange(3) == 1, 7.0, NOISE)], "x1"),
    ([NOISE[:, [0, 1, 0]]], "x2"),
    ([NOISE[:, :1]], "variable"),
    ([np.where(NOISE > 2, INF, NOISE)], "inf"),
]


@pytest.mark.parametrize(("trials", "said"), BAD_ARRAYS, ids=["short", "constant", "copy", "one", "infinite"])
def test_arrays_that_cannot_be_examined_are_refused(trials, said):
    with pytest.raises(DataError) as refused:
        granger_graph(trials, lags=2)

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_more_variables_than_memory_allows_are_refused_with_an_estimate(monkeypatch):
    class Little:
        available = 1 << 20

    monkeypatch.setattr("psutil.virtual_memory", Little)
    with pytest.raises(DataError, match=r"3 variables need about \d+\.\d GiB, 0\.0 GiB are free"):
        granger_graph(NOISE)


def test_units_and_order_of_variables_change_nothing():
    x = NOISE[:200].copy()
    x[1:, 1] += 0.8 * x[:-1, 0]
    options = {"lags": 1, "member": "linear", "effort": 0.1, "significance": False}
    order, units = [2, 0, 1], np.array([1e-3, 1.0, 1e6])
    first = granger_graph(x, **options).arrays["score"]
    other = granger_graph((x * units)[:, order], **options).arrays["score"]

    assert np.array_equal(other, first[np.ix_(order, order)])
    assert first[1, 0] == first.max()


def test_a_recording_of_the_plugin_is_read_as_its_arrays_are():
    recordings = Recordings((NOISE[:200],), default_names(3), source="arrays")
    options = {"lags": 1, "member": "linear", "effort": 0.1, "significance": False}

    assert AttentionGranger(**options).of(recordings) == granger_graph(NOISE[:200], **options)
