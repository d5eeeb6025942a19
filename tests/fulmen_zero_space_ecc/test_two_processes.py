"""Two processes hold the same promise and end with the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch


@pytest.mark.process
def test_two_processes_end_feasible_and_equal(tmp_path):
    script = Path(__file__).with_name("two_processes.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script, tmp_path], env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-3000:]

    first, second = (torch.load(tmp_path / f"rank{rank}.pt") for rank in (0, 1))

    assert len(first) == 7
    for case, ours in first.items():
        theirs = second[case]
        assert (ours["rank"], theirs["rank"]) == (0, 1)
        assert ours["hash"] == theirs["hash"], case
        assert ours["frozen"] == theirs["frozen"], case
        assert ours["outside"] == theirs["outside"] == 0, case
        assert ours["folded"] == 2
