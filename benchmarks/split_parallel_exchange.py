"""How fast rows go from one process to another: the plugin's shared memory beside gloo's all-to-all.

    python benchmarks/split_parallel_exchange.py [--rounds 31] [--runs 5]

Two processes, one thread each, exchange rows of 128 float32 that each gathers at random from twice as many:
50,000, 5,000 and 500 each way. An exchange ends with the rows in an own tensor of the receiver. The two ways
are called in turn, so that a machine whose speed drifts does not matter; the ratio of a run, of two new
processes, is the median of its rounds' ratios, that of a row the median of its runs', which are all kept. The
first two rounds of a run warm up. Writes benchmarks/results/split_parallel_exchange.json.
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


def run(rounds: int) -> dict[int, dict[str, list[float]]]:
    """Return the seconds of each round by number of rows and way, from two new processes."""
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(measure, (folder, rounds), nprocs=2)  # type: ignore[no-untyped-call]
        seconds: dict[int, dict[str, list[float]]] = torch.load(Path(folder) / "seconds.pt")
    return {rows: {kind: ways[kind][WARM:] for kind in KINDS} for rows, ways in seconds.items()}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    runs = [run(options.rounds) for _ in range(options.runs)]
    table: list[dict[str, Any]] = []
    for rows in ROWS:
        ratios = []
        for ways in (seconds[rows] for seconds in runs):
            pairs = zip(ways["shm"], ways["gloo"], strict=True)
            ratios.append(statistics.median(gloo / shm for shm, gloo in pairs))
        row: dict[str, Any] = {
            "rows": rows,
            "width": WIDTH,
            "rounds": options.rounds,
            "load": os.getloadavg()[0],
        }
        for kind in KINDS:
            median = statistics.median(statistics.median(seconds[rows][kind]) for seconds in runs)
            row[f"{kind}_ms"] = round(1e3 * median, 3)
        row["gloo_over_shm"] = round(statistics.median(ratios), 2)
        row["gloo_over_shm_runs"] = [round(ratio, 2) for ratio in sorted(ratios)]
        table.append(row)
        print(json.dumps(row))
    write_artifact(RESULTS, json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
