"""The analyzer refuses what makes no sense before any work; the graph does not depend on how it is called."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from fulmen.errors import DataError, UserError
from fulmen_attention_granger import AttentionGranger, Recordings, granger_graph
from fulmen_attention_granger.edges import COLUMNS, graphml
from fulmen_attention_granger.reading.checks import check
from fulmen_attention_granger.recordings import RecordingError, default_names

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
SQUARE = np.zeros((3, 3))
FRAME = pd.DataFrame(NOISE, columns=["a", "b", "c"])
DAYS = pd.date_range("2001-01-01", periods=len(NOISE), unit="ns")
BAD_CALLS = [
    ({"x": NOISE[:, 0]}, "arrays: x: has shape (300,); expected (time, variables)"),
    ({"x": NOISE[:, :, None, None]}, "x: has shape (300, 3, 1, 1)"),
    ({"x": []}, "x: has shape (0,)"),
    ({"x": [[1.0, 2.0], [3.0]]}, "x is no array"),
    ({"x": NOISE + 1j}, "x: holds complex128; expected real numbers"),
    ({"x": [NOISE, NOISE[:, :2]]}, "trial 2 has 2 variables, trial 1 has 3"),
    ({"x": NOISE, "names": ["a", "b"]}, "names has shape (2,)"),
    ({"x": NOISE, "graph": np.zeros((4, 4))}, "graph has shape (4, 4), x has 3 variables"),
    ({"x": NOISE, "graph": SQUARE + 0.5}, "graph holds 0.5; expected 0 and 1"),
    ({"x": NOISE, "graph": SQUARE * NAN}, "graph holds nan"),
    ({"x": NOISE, "interval": 0}, "interval is 0; expected one number above 0"),
    ({"x": NOISE, "device": "gpu"}, "device is 'gpu'; expected cpu, or cuda"),
    ({"x": NOISE[:5]}, "windows of 1 lags are too few"),
    ({"x": NOISE[:60].T}, "rows are times, columns variables: turn it"),
    ({"x": NOISE[:100], "max_lags": 30}, "max_lags is 30, the longest trial has 100 rows; expected at most"),
    ({"x": [NOISE[:60], NOISE[:60]]}, "trial 2 repeats trial 1"),
    (
        {"x": [FRAME[:60], FRAME[60:][["c", "b", "a"]]]},
        "trial 2: has the columns c, b, a, trial 1 has a, b, c",
    ),
    ({"x": FRAME.assign(b="x")}, "column 'b': holds"),
    ({"x": FRAME.assign(b=1j)}, "column 'b': holds complex128; expected real"),
    (
        {"x": FRAME.set_axis(DAYS).drop(DAYS[9])},
        "index: the time goes from 2001-01-09 to 2001-01-11 after row 9",
    ),
]


@pytest.mark.parametrize(("call", "said"), BAD_CALLS, ids=[said for _, said in BAD_CALLS])
def test_a_call_of_a_notebook_is_refused_before_any_training(call, said):
    with pytest.raises(UserError) as refused:
        granger_graph(**call)

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


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


@pytest.mark.parametrize(("first", "second"), [(3, 690), (255, 256), (300, 301)])
def test_a_copy_is_found_among_many_variables_wherever_it_stands(first, second):
    x = np.random.default_rng(0).standard_normal((60, 700))
    x[:, second] = 2 - 3 * x[:, first]
    x[5, second] = NAN

    with pytest.raises(RecordingError, match=f"'x{second}' repeats 'x{first}'"):
        check(Recordings((x,), default_names(700)))


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


@pytest.fixture(scope="module")
def report():
    """Of two trials of three variables, one of which drives another; named by a data frame."""
    x = NOISE[:200].copy()
    x[1:, 1] += 0.8 * x[:-1, 0]
    truth = [[0, 0, 0], [1, 0, 0], [0, 0, 0]]
    frames = [pd.DataFrame(part, columns=["a & b", "<c>", "d"]) for part in (x[:120], x[120:])]
    return granger_graph(
        frames, list(frames[0]), truth, lags=2, member="linear", effort=0.3, time_varying=True, interval=0.5
    )


def test_frames_keep_names_values_and_dates():
    nullable = FRAME[:160].astype("Float64").set_axis(DAYS[:160])
    nullable.iloc[3, 0] = pd.NA
    options = {"lags": 1, "member": "linear", "effort": 0.05, "significance": False}
    plain = NOISE[:160].copy()
    plain[3, 0] = NAN

    found, other = granger_graph(nullable, **options), granger_graph(plain, **options)

    assert set(found.tables["edges"].source) == {"a", "b", "c"}
    assert np.array_equal(found.arrays["score"], other.arrays["score"])
    assert "(rows of 86400)" in found.figures["lags"].axes[0].get_xlabel().replace("lag ", "")
    assert "most of a: 0.6%" in " ".join(found.findings)


def test_a_truth_that_nothing_can_be_ranked_by_gets_no_auroc():
    found = granger_graph(NOISE[:160], graph=SQUARE, lags=1, member="linear", effort=0.05, significance=False)

    assert found.findings[1] == "The truth has no edge: there is nothing to rank, and no AUROC."
    assert not any(name.startswith("au") for name in found.scalars)


def test_the_report_has_the_tables_and_figures_that_users_rely_on(report):
    edges, methods = report.tables["edges"], report.tables["methods"]

    assert list(edges) == list(COLUMNS)
    assert list(methods)[:5] == ["method", "test", "auroc", "auprc", "shd"]
    assert methods.test[0].startswith("held-out knock-out of the source's history, given")
    assert "(linear); edges chosen by the held-out t value" in methods.test[0]
    assert (edges.source[0], edges.target[0], edges.lag[0], edges.sign[0]) == ("a & b", "<c>", 1, 1)
    assert list(report.tables["choices"].chosen) == [True, True]
    assert {"matrix", "network", "curves", "lags", "phantoms", "over_time"} == set(report.figures)
    low, high = report.tables["intervals"].loc[0, ["auroc_low", "auroc_high"]]
    assert low <= methods.auroc[0] <= high
    legend = report.tables["legend"]
    shown = [(name, column) for name, table in report.tables.items() if name != "legend" for column in table]
    assert list(zip(legend.table, legend.column, strict=True)) == shown
    assert legend.meaning.str.len().min() > 10
    graph = nx.parse_graphml(graphml(edges.to_dict("records"), ["a & b", "<c>", "d"]))
    assert set(graph) == {"a & b", "<c>", "d"}
    assert graph.edges["a & b", "<c>"]["sign"] == 1
    assert report.arrays["tigramite_graph"][0, 1, 1] == "-->"


def test_time_goes_on_through_the_trials_and_no_block_straddles_two(report):
    figure, arrays = report.figures["over_time"], report.arrays
    (panel, _) = figure.axes
    borders = [line.get_xdata()[0] for line in panel.lines]

    assert borders == [120]
    assert panel.get_xlim() == (0, 200)
    assert "rows of 0.5, trials" in panel.get_xlabel()
    assert list(np.unique(arrays["middle_trials"])) == [0, 1]
    assert (arrays["middle_rows"][arrays["middle_trials"] == 0] < 120).all()


def test_a_recording_of_the_plugin_is_read_as_its_arrays_are():
    recordings = Recordings((NOISE[:200],), default_names(3), source="arrays")
    options = {"lags": 1, "member": "linear", "effort": 0.1, "significance": False}

    assert AttentionGranger(**options).of(recordings) == granger_graph(NOISE[:200], **options)
