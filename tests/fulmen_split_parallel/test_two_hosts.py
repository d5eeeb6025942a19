"""Promise: a group splits mini-batches across hosts; a line that is cut ends both, each naming the other."""

from __future__ import annotations

import os
import shutil
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
sys.path.insert(0, str(HERE))

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


@pytest.fixture
def folder():
    """A folder that both hosts see, whose own /tmp hides this one's."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="fulmen-two-hosts-"))
    save_graph(small_graph(), folder / "graph", fulmen.write_artifact)
    yield folder
    shutil.rmtree(folder)


def own_tmp() -> str:
    """Return the commands that give a host an empty /tmp, in which code that lies there is still seen."""
    needed = [path for path in (HERE.parents[1], Path(sys.prefix)) if path.is_relative_to("/tmp")]
    kept = {path: f"/run/netns/kept-{number}" for number, path in enumerate(needed)}
    return "; ".join(
        [
            *(f"mkdir -p {aside}; mount --bind {path} {aside}" for path, aside in kept.items()),
            "mount -t tmpfs none /tmp",
            *(f"mkdir -p {path}; mount --move {aside} {path}" for path, aside in kept.items()),
        ]
    )


def run(folder, name, cut=False):
    """Train on both; return their statuses, what they said, and when the line was cut."""
    script = " && ".join(
        [
            f"cp -r {folder}/graph /tmp/graph",  # each host has its own
            f"cd {HERE}",
            f"exec {sys.executable} -m torch.distributed.run --nnodes 2 --nproc_per_node 1 --node_rank RANK "
            "--master_addr 10.9.0.1 --master_port 29511 host_run.py /tmp/graph "
            f"{folder}/{name} restreaming {f'{folder}/cut' if cut else ''} 2>{folder}/{name}-RANK.txt",
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
    command += [script.replace("RANK", rank) for rank in "01"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    said = [(folder / f"{name}-{rank}.txt").read_text() for rank in (0, 1)]
    assert "statuses" in ran.stdout, ran.stderr
    return [int(word) for word in ran.stdout.split()[1:]], said


def test_two_hosts_train_as_one_process_until_the_line_is_cut(folder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    expected = train(folder, 1, sage(), limit_val_batches=0)["losses"]

    statuses, said = run(folder, "whole")
    assert statuses == [0, 0], said
    for rank in (0, 1):
        seen = torch.load(folder / f"whole-{rank}.pt")
        np.testing.assert_allclose(seen["losses"], expected, rtol=1e-12)
    assert sum(counts["shuffled_rows"] for counts in seen["counts"]) > 0

    statuses, said = run(folder, "cut", cut=True)
    ended = time.time()
    assert all(statuses), said
    assert ended - (folder / "cut").stat().st_mtime < 60
    for rank, peer in ((0, "rank 1 on host-b"), (1, "rank 0 on host-a")):
        assert peer in said[rank], said[rank][-3000:]
