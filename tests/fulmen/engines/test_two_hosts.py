"""Two hosts, made of this one: ``tests/fulmen/chaos/two_hosts.py``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "chaos" / "two_hosts.py"
TOOLS = ("ip", "unshare", "mount")


def why_not() -> str | None:
    """Return why no hosts can be made here, or None."""
    if os.geteuid() != 0:
        return "network namespaces are root's to make"
    if lacking := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"{lacking[0]} is not installed"
    tried = subprocess.run(["unshare", "-m", "-n", "-p", "-u", "-f", "true"], capture_output=True, text=True)
    return tried.stderr.strip() or None


@pytest.mark.long
@pytest.mark.process
def test_a_host_that_is_cut_off_and_killed_costs_nothing():
    pytest.importorskip("ray", reason="needs the extra 'ray'")
    if reason := why_not():
        pytest.skip(reason)
    ran = subprocess.run(
        ["unshare", "-m", sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=280
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = json.loads(ran.stdout)

    assert found["hosts"] == ["host-a", "host-b"]
    assert found["data"] == [
        "here",
        "on host-b: FileNotFoundError: [Errno 2] No such file or directory: '/tmp/patches.csv'",
    ]
    assert found["told"] == 40
    assert not any(found[what] for what in ("lost", "twice", "failed", "wrong"))
    assert found["left"] == ["host-a"]
    assert found["seconds_after_the_cut"] < 90
