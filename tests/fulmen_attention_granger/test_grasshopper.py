"""A real recording whose direction is known: the sound drives the spikes."""

from __future__ import annotations

import numpy as np
import pytest

from fulmen.errors import DataError
from fulmen_attention_granger import Grasshopper
from fulmen_attention_granger.opponents.var_granger import var_granger


@pytest.fixture(scope="module")
def recorded():
    pytest.importorskip("nitime")
    return Grasshopper().recordings()


def test_it_has_two_cells_of_ten_seconds_each(recorded):
    assert recorded.names == ("loudness", "spikes")
    assert [trial.shape for trial in recorded.trials] == [(5000, 2)] * 2
    assert [trial[:, 1].sum() for trial in recorded.trials] == [929, 868]  # the lines of nitime's two files
    assert recorded.interval == 2.0


def test_the_classical_test_finds_the_direction(recorded):
    p = var_granger(recorded.trials).p_values

    assert p[1, 0] < 1e-50
    assert p[0, 1] > 0.05
    assert recorded.graph.tolist() == [[False, False], [True, False]]


def test_loudness_is_in_decibels_of_the_mean_amplitude(tmp_path):
    for cell in (1, 2):
        steps = np.arange(120)
        np.savetxt(
            tmp_path / f"grasshopper_stimulus{cell}.txt",
            np.c_[
                50.0 * steps, cell * np.where(steps < 40, 0.1, 1 + steps % 2) * np.where(steps < 80, 1, 10)
            ],
        )
        (tmp_path / f"grasshopper_spike_times{cell}.txt").write_text("# a comment\n100\n1999\n2000\n\n")
    read = Grasshopper(folder=str(tmp_path)).recordings()

    assert np.allclose(read.trials[0][:, 0], [-20, 20 * np.log10(1.5), 20 * np.log10(15)])
    assert read.trials[0][:, 1].tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "is no file; expected one of nitime's"),
        ("1 2 3\n4 5 6\n", "has shape"),
        ("x\n", "is not a table"),
    ],
)
def test_other_files_are_refused(tmp_path, content, told):
    if content is not None:
        (tmp_path / "grasshopper_stimulus1.txt").write_text(content)
    with pytest.raises(DataError, match=told):
        Grasshopper(folder=str(tmp_path)).recordings()
