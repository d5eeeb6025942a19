"""Promise: in real processes rows go by whatever transport was asked for, and all of them bring the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from every_transport import run

from fulmen.testing.processes import in_fresh_processes
from fulmen_split_parallel.cooperative import opening


@pytest.mark.process
def test_every_transport_in_groups_on_one_host_and_on_several(tmp_path):
    found = in_fresh_processes(run, str(tmp_path), folder=tmp_path, count=4)

    assert all(each == found[0] for each in found)
    (found, *_) = found
    assert {found[f"1 {name} auto"] for name in ("all", "pairs")} == {"shm"}
    assert {found[key] for key in found if "alone" in key} == {"none"}
    assert found["2 all auto"] == "shm and gloo"
    assert found["2 pairs shm"] == "shm"
    assert found["4 pairs auto"] == "gloo"
    assert found["1 all gloo"] == "gloo"
    assert "a group stands on 2; use auto" in found["2 all shm"]
    assert "moves rows between GPUs, and they are on cpu" in found["1 all nccl"]


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
