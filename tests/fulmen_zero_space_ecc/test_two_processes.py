"""Two processes hold the same promise and end with the same bits."""

from __future__ import annotations

import pytest
from two_processes import train_each

from fulmen.testing.processes import in_fresh_processes


@pytest.mark.process
def test_two_processes_end_feasible_and_equal(tmp_path):
    first, second = in_fresh_processes(train_each, folder=tmp_path, count=2, timeout=200)

    assert len(first) == 7
    for case, ours in first.items():
        theirs = second[case]
        assert (ours["rank"], theirs["rank"]) == (0, 1)
        assert ours["hash"] == theirs["hash"], case
        assert ours["frozen"] == theirs["frozen"], case
        assert ours["outside"] == theirs["outside"] == 0, case
        assert ours["folded"] == 2
