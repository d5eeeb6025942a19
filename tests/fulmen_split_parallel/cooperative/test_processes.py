"""Promise: in real processes rows go by whatever transport was asked for, and all of them bring the same."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from fulmen_split_parallel.cooperative import opening
from fulmen_split_parallel.cooperative.opening import KINDS, open_transports

GROUPS = {"all": [[0, 1, 2, 3]], "pairs": [[0, 1], [2, 3]], "alone": [[0], [1], [2], [3]]}


def main(rank, folder):
    sys.path.insert(0, str(Path(__file__).parent))
    from test_transport import all_to_all

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=4)
    cpu, minute = torch.device("cpu"), timedelta(seconds=60)
    found = {}
    for hosts in (1, 2, 4):
        opening.host_key = lambda hosts=hosts: rank * hosts // 4
        for name, groups in GROUPS.items():
            for kind in KINDS:
                try:
                    transports = open_transports(kind, groups, cpu, minute)
                except ValueError as error:
                    found[hosts, name, kind] = str(error)
                    continue
                if transports.rows.size > 1:
                    for each in (transports.ids, transports.rows):
                        everyone = all_to_all([each], 12)
                        assert everyone.tolist() == [[r, r**2] for r in range(each.size)]
                found[hosts, name, kind] = transports.kind
                transports.close()
    torch.save(found, Path(folder) / f"rank{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.process
def test_every_transport_in_groups_on_one_host_and_on_several(tmp_path):
    torch.multiprocessing.spawn(main, (str(tmp_path),), nprocs=4)
    found = [torch.load(tmp_path / f"rank{rank}.pt") for rank in range(4)]

    assert all(each == found[0] for each in found)
    (found, *_) = found
    assert {found[1, name, "auto"] for name in ("all", "pairs")} == {"shm"}
    assert {found[key] for key in found if key[1] == "alone"} == {"none"}
    assert found[2, "all", "auto"] == "shm and gloo"
    assert found[2, "pairs", "shm"] == "shm"
    assert found[4, "pairs", "auto"] == "gloo"
    assert found[1, "all", "gloo"] == "gloo"
    assert "a group stands on 2; use auto" in found[2, "all", "shm"]
    assert "moves rows between GPUs, and they are on cpu" in found[1, "all", "nccl"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_rows_of_a_gpu_go_through_shared_memory(ranks):
    def exchange(transports):
        transport = transports[1]
        rank = transport.rank
        rows, out = torch.full((3, 4), float(rank), device="cuda"), torch.zeros(2, 4, device="cuda")
        counts = [0, 2] if rank == 0 else [2, 0]
        transport.exchange(rows, torch.tensor([2, 0], device="cuda"), counts, out, counts)
        return out.cpu()

    first, second = ranks(2, exchange)
    assert (first == 1).all()
    assert (second == 0).all()


def test_a_hash_of_the_host_is_the_same_each_time():
    assert opening.host_key() == opening.host_key() > 0
    assert np.int64(opening.host_key()) == opening.host_key()
