"""One of four processes: every transport, in every grouping, on one host and on what passes for several."""

from __future__ import annotations

import os
from datetime import timedelta

import torch
import torch.distributed as dist
from test_transport import all_to_all

from fulmen_split_parallel.cooperative import opening
from fulmen_split_parallel.cooperative.opening import KINDS, open_transports

GROUPS = {"all": [[0, 1, 2, 3]], "pairs": [[0, 1], [2, 3]], "alone": [[0], [1], [2], [3]]}


def run(folder: str) -> dict[str, str]:
    """Return what rows went through, or why they cannot, by hosts, grouping and transport."""
    rank, minute = int(os.environ["LOCAL_RANK"]), timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=4)
    found = {}
    for hosts in (1, 2, 4):
        opening.host_key = lambda hosts=hosts: rank * hosts // 4
        for name, groups in GROUPS.items():
            for kind in KINDS:
                try:
                    transports = open_transports(kind, groups, torch.device("cpu"), minute)
                except ValueError as error:
                    found[f"{hosts} {name} {kind}"] = str(error)
                    continue
                if transports.rows.size > 1:
                    for each in (transports.ids, transports.rows):
                        everyone = all_to_all([each], 12)
                        assert everyone.tolist() == [[r, r**2] for r in range(each.size)]
                found[f"{hosts} {name} {kind}"] = transports.kind
                transports.close()
    dist.destroy_process_group()
    return found
