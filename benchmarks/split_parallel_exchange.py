"""How fast rows go from one process to another: the plugin's shared memory beside gloo's all-to-all.

    python benchmarks/split_parallel_exchange.py [--rounds 31]

Two processes, one thread each, exchange rows of 128 float32 that each gathers at random from twice as many:
50,000, 5,000 and 500 each way. An exchange ends with the rows in an own tensor of the receiver. The two ways
are called in turn, so that a machine whose speed drifts does not matter; a ratio is the median of the rounds'
ratios. The first two rounds warm up. Writes benchmarks/results/split_parallel_exchange.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import torch.distributed as dist

from fulmen import write_artifact
from fulmen_split_parallel.cooperative.opening import open_transports
from fulmen_split_parallel.sampling.allocator import keep_freed_memory

RESULTS = Path(__file__).parent / "results" / "split_parallel_exchange.json"
ROWS, WIDTH, WARM = (50_000, 5_000, 500), 128, 2
KINDS = ("shm", "gloo")


def measure(rank: int, folder: str, rounds: int) -> None:
    """Be one of the two processes; the first leaves the seconds of each round."""
    torch.set_num_threads(1)
    keep_freed_memory()
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    ways = {
        kind: open_transports(kind, [[0, 1]], torch.device("cpu"), timedelta(minutes=5)).rows
        for kind in KINDS
    }
    seconds: dict[int, dict[str, list[float]]] = {}
    for rows in ROWS:
        held = torch.rand(2 * rows, WIDTH, generator=torch.Generator().manual_seed(rank))
        counts = [rows * (other != rank) for other in range(2)]
        seconds[rows] = {kind: [] for kind in KINDS}
        for turn in range(rounds + WARM):
            index = torch.randperm(2 * rows, generator=torch.Generator().manual_seed(turn))[:rows]
            sums = []
            for kind, way in ways.items():
                dist.barrier()
                started = time.perf_counter()
                received = torch.empty(rows, WIDTH)
                way.exchange(held, index, counts, received, counts)
                seconds[rows][kind].append(time.perf_counter() - started)
                sums.append(float(received.sum()))
            assert len(set(sums)) == 1, "the two ways brought different rows"
    if rank == 0:
        torch.save(seconds, Path(folder) / "seconds.pt")
    dist.barrier()


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=31)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(measure, (folder, rounds), nprocs=2)  # type: ignore[no-untyped-call]
        seconds = torch.load(Path(folder) / "seconds.pt")
    table: list[dict[str, Any]] = []
    for rows, ways in seconds.items():
        shm, gloo = (ways[kind][WARM:] for kind in KINDS)
        ratio = statistics.median(b / a for a, b in zip(shm, gloo, strict=True))
        row = {"rows": rows, "width": WIDTH, "rounds": rounds, "load": os.getloadavg()[0]}
        row |= {f"{kind}_ms": round(1e3 * statistics.median(ways[kind][WARM:]), 3) for kind in KINDS}
        table.append(row | {"gloo_over_shm": round(ratio, 2)})
        print(
            f"{rows:7d} x {WIDTH}: shm {row['shm_ms']:8.3f} ms  gloo {row['gloo_ms']:8.3f} ms  x {ratio:.2f}"
        )
    write_artifact(RESULTS, json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
