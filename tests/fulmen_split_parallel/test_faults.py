"""Promise: a rank that dies or is stopped while others wait for its rows ends the run, by name."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import fulmen
from fulmen_split_parallel.graph.folder import save_graph

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from small_graph import small_graph  # noqa: E402


@pytest.mark.process
@pytest.mark.parametrize(
    ("how", "said"),
    [("kill", "was killed by SIGKILL"), pytest.param("stop", "was stopped", marks=pytest.mark.long)],
)
def test_a_rank_that_comes_to_grief_ends_the_run(tmp_path, how, said):
    save_graph(small_graph(), tmp_path / "graph", fulmen.write_artifact)
    ran = subprocess.run(
        [sys.executable, HERE / "grief.py", tmp_path / "graph", tmp_path, "1", how],
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "FULMEN_RANK_TIMEOUT": "3",
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        },
        capture_output=True,
        text=True,
        timeout=200,
    )
    ended, grief = time.time(), tmp_path / "grief"

    assert ran.returncode == 1, ran.stderr
    assert f"rank 1 (pid {grief.read_text()}) {said}" in ran.stderr
    assert ended - grief.stat().st_mtime < 60
    assert not psutil.pid_exists(int(grief.read_text()))
