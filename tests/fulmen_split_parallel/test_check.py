"""``fulmen split_parallel check``: real processes, and a verdict that can be bad."""

import numpy as np
import pytest

from fulmen.errors import ConfigError, DataError
from fulmen_split_parallel import check
from fulmen_split_parallel.cooperative.comparison import Comparison
from fulmen_split_parallel.graph_data import GraphData


@pytest.fixture
def data(small_folder):
    return GraphData(small_folder, [3, 2], 20)


@pytest.mark.process
def test_two_processes_learn_what_one_learns_and_load_each_row_once(data, capsys):
    assert check.check(data, network="gin", partitioner="hash", steps=2) == 0
    printed = capsys.readouterr().out

    assert "gin on 2 mini-batches of 20, in one process and split over 2" in printed
    assert "rows loaded     1.00x one process's (data parallel 1." in printed
    assert "edges computed  1.00x one process's (data parallel 1." in printed
    assert "rows exchanged  0.00" not in printed


@pytest.mark.parametrize(
    "found",
    [
        Comparison((10, 10, 12), (20, 20, 22), 3, loss=1e-9, gradient=0.0),
        Comparison((10, 10, 12), (20, 20, 22), 3, loss=0.0, gradient=1e-9),
        Comparison((10, 11, 12), (20, 20, 22), 3, loss=0.0, gradient=0.0),
        Comparison((10, 10, 12), (20, 21, 22), 3, loss=0.0, gradient=0.0),
    ],
)
def test_anything_that_is_not_exact_is_a_failure(found, data, monkeypatch):
    monkeypatch.setattr(check, "compare", lambda *_: found)
    assert check.check(data) == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"parts": 1}, ConfigError, "parts is 1; expected 2 or more"),
        ({"steps": 0}, ConfigError, "steps is 0"),
        ({"parts": 121}, DataError, "121"),
        ({"partitioner": "metiss"}, DataError, "metiss"),
    ],
)
def test_bad_options_are_refused(options, error, message, data):
    with pytest.raises(error, match=message):
        check.check(data, **options)


def test_no_data_and_no_fan_outs_are_refused(small_folder):
    with pytest.raises(ConfigError, match="no data is named"):
        check.check()
    with pytest.raises(ConfigError, match="no fan-outs"):
        check.check(GraphData(small_folder, []))


def test_gradients_are_compared_by_norm(monkeypatch):
    import torch

    from fulmen_split_parallel.cooperative.comparison import _apart

    one = torch.tensor([1.0, 0.0])
    assert _apart(one, torch.tensor([1.0, 1e-3])) == pytest.approx(1e-3)
    assert _apart(torch.zeros(2), torch.full((2,), 1e-17)) < 1e-12
    assert np.isnan(_apart(one, torch.tensor([1.0, np.nan])))
