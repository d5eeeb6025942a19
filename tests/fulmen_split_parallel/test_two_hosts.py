"""Promise: a group splits mini-batches across hosts, which agree on data and partition or end at once.

A line that is cut ends both, each naming the other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import fulmen
from fulmen_split_parallel.graph.folder import save_graph

HERE = Path(__file__).parent
# Not tests itself, where folders are called as packages are.
sys.path[:0] = [str(HERE), str(HERE.parent / "fulmen/chaos")]

from own_tmp import own_tmp  # noqa: E402
from ranks import sage, train  # noqa: E402
from small_graph import small_graph  # noqa: E402


def _cannot() -> str:
    if os.geteuid() != 0:
        return "two hosts of one machine need root"
    if not shutil.which("ip") or not shutil.which("unshare"):
        return "two hosts of one machine need ip and unshare"
    tried = subprocess.run(["unshare", "-m", "-n", "true"], capture_output=True)
    return "" if tried.returncode == 0 else "this container may not make namespaces"


pytestmark = [
    pytest.mark.process,
    pytest.mark.long,
    pytest.mark.skipif(bool(_cannot()), reason=_cannot() or "never"),
]

# What each host is started by, with N its number.
TORCHRUN = (
    "{python} -m torch.distributed.run --nnodes 2 --nproc_per_node 1 --node_rank N "
    "--master_addr 10.9.0.1 --master_port 29511"
)
LIGHTNING = "env MASTER_ADDR=10.9.0.1 MASTER_PORT=29512 NODE_RANK=N {python}"


@pytest.fixture
def folder():
    """A folder that both hosts see, whose own /tmp hides this one's; what is in host-N is copied there."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="fulmen-two-hosts-"))
    for rank in "01":
        save_graph(small_graph(), folder / f"host-{rank}" / "graph", fulmen.write_artifact)
    yield folder
    shutil.rmtree(folder)


def run(folder, name, starter, work):
    """Let both hosts do some work; return their statuses and what they said.

    Args:
        folder: What both see.
        name: Of what is written there.
        starter: What precedes the work.
        work: A Python file with its arguments, or ``-m`` and a module.
    """
    script = " && ".join(
        [
            f"cp -r {folder}/host-N/* /tmp",  # each host has its own
            "cd /tmp",
            f"exec {starter.format(python=sys.executable)} {work} 2>{folder}/{name}-N.txt",
        ]
    )
    environment = {
        **os.environ,
        "CUT": str(folder / "cut"),
        "OWN_TMP": own_tmp(),
        "OMP_NUM_THREADS": "1",
        "XDG_CACHE_HOME": "/tmp/cache",
        "FULMEN_RANK_TIMEOUT": "4",
    }
    command = ["unshare", "-m", HERE / "two_hosts.sh", f"f{os.getpid()}"]
    command += [re.sub(r"\bN\b", number, script) for number in "01"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    hosts = subprocess.Popen(command, env=environment, text=True, start_new_session=True, **pipes)
    try:
        out, error = hosts.communicate(timeout=200)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(hosts.pid, signal.SIGKILL)
    said = [(folder / f"{name}-{rank}.txt").read_text() for rank in (0, 1)]
    *_, last = out.splitlines()  # what comes before is the hosts'
    assert last.startswith("statuses"), error
    return [int(word) for word in last.split()[1:]], said


def training(folder, name, cut=False):
    """Return the work of training until the end, or until the line is cut."""
    return f"{HERE}/host_run.py /tmp/graph {folder}/{name} restreaming {f'{folder}/cut' if cut else ''}"


@pytest.mark.parametrize("starter", [TORCHRUN, LIGHTNING], ids=["torchrun", "num_nodes"])
def test_two_hosts_train_as_one_process_until_the_line_is_cut(folder, starter):
    expected = train(folder / "host-0", 1, sage(), limit_val_batches=0)["losses"]

    statuses, said = run(folder, "whole", starter, training(folder, "whole"))
    assert statuses == [0, 0], said
    for rank in (0, 1):
        seen = torch.load(folder / f"whole-{rank}.pt")
        np.testing.assert_allclose(seen["losses"], expected, rtol=1e-12)
    assert sum(counts["shuffled_rows"] for counts in seen["counts"]) > 0

    statuses, said = run(folder, "cut", starter, training(folder, "cut", cut=True))
    ended = time.time()
    assert all(statuses), said
    assert ended - (folder / "cut").stat().st_mtime < 60
    for rank, peer in ((0, "rank 1 on host-b"), (1, "rank 0 on host-a")):
        assert peer in said[rank], said[rank][-3000:]


@pytest.mark.parametrize(
    ("differing", "remedy"),
    [("data", "copy one host's graph to the others"), ("partitions", "copy one host's file to the others")],
)
def test_hosts_that_differ_are_refused_in_one_line(folder, differing, remedy):
    """One label differs, or who owns one vertex; the hosts run ``fulmen fit`` with Lightning's num_nodes."""
    graph, owners = small_graph(), np.arange(300) % 2
    labels = graph.labels.copy()
    if differing == "data":
        labels[graph.train_idx[0]] = (labels[graph.train_idx[0]] + 1) % 5
    np.save(folder / "host-0" / "owner.npy", owners)
    owners[-1] -= differing == "partitions"
    np.save(folder / "host-1" / "owner.npy", owners)
    other = dataclasses.replace(graph, labels=labels)
    save_graph(other, folder / "host-1" / "graph", fulmen.write_artifact)

    statuses, said = run(folder, differing, LIGHTNING, f"-m fulmen fit --config {HERE}/two_hosts.yaml")
    assert statuses == [2, 2], said
    for text in said:
        assert "Traceback" not in text
        (line,) = (line for line in text.splitlines() if "error" in line)
        assert line.startswith(f"error: split_parallel: {differing} differ: rank 0 on host-a has "), line
        assert "rank 1 on host-b has " in line
        assert line.endswith(f"{remedy}."), line
