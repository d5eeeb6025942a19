"""How fast mini-batches are sampled, beside DGL, and how fast their features are gathered, beside copying.

    python3.11 -m venv /tmp/dgl /tmp/dgl/bin/pip install dgl==2.1.0 torch==2.2.1 'numpy<2'
    torchdata==0.7.1 pandas pyyaml pydantic packaging \
        scipy setuptools
    python benchmarks/split_parallel_sampler.py /tmp/dgl/bin/python [--large] [--rounds 11]

DGL's newest wheel for this Python runs with torch 2.2.1 alone, hence in an environment of its own. Both
run as persistent processes on the same graph and the same seeds, one thread each, int32 ids for DGL (its
int64 path takes half as long again), both with an allocator that keeps what is freed. They are called in
turn, one mini-batch each, so that a machine whose speed drifts does not matter, and timed by the CPU time
of their own process, so that one that is shared matters less. A round is 8 mini-batches each of 1024
seeds, 3 layers; the first round warms up. A rate is edges a second, the median of the rounds; a ratio is
the median of the rounds' ratios.

`--large` adds the graphs of a million vertices. Each case is saved when it is done, and skipped the next
time: writes benchmarks/results/split_parallel_sampler.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fulmen import write_artifact
from fulmen_split_parallel import DegreeCorrectedSBM, RecursiveMatrix
from fulmen_split_parallel.graph.folder import load_graph, save_graph
from fulmen_split_parallel.sampling.allocator import keep_freed_memory
from fulmen_split_parallel.sampling.feature_rows import FeatureRows
from fulmen_split_parallel.sampling.mini_batch import sample_blocks
from fulmen_split_parallel.sampling.samplers import SAMPLERS

RESULTS = Path(__file__).parent / "results" / "split_parallel_sampler.json"
BATCH, BATCHES = 1024, 8
FANOUTS = ((15, 10, 5), (15, 15, 15))
GRAPHS = {
    "dc_sbm 200k": DegreeCorrectedSBM(num_vertices=200_000, num_features=1),
    "rmat 262k": RecursiveMatrix(scale=18, num_features=1),
    "dc_sbm 1M": DegreeCorrectedSBM(num_vertices=1_000_000, num_features=1),
    "rmat 1M": RecursiveMatrix(scale=20, edges_per_vertex=10.0, num_features=1),
}
LARGE = ("dc_sbm 1M", "rmat 1M")

# Reads "sampler fanouts batch" a line, answers "CPU seconds, edges". Runs in DGL's environment.
DGL = """
import ctypes, sys, time
import numpy as np, torch, dgl
for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 256 << 20)):
    ctypes.CDLL(None).mallopt(option, value)
torch.set_num_threads(1)
folder = sys.argv[1]
narrow = lambda name: torch.from_numpy(np.load(f"{folder}/{name}.npy").astype("int32"))
csc = ("csc", (narrow("indptr"), narrow("indices"), torch.empty(0, dtype=torch.int32)))
graph = dgl.graph(csc, idtype=torch.int32).formats("csc")
seeds = narrow("train_idx")
kinds = {"neighbour": dgl.dataloading.NeighborSampler, "labor": dgl.dataloading.LaborSampler}
print("ready", dgl.__version__, torch.__version__, flush=True)
for line in sys.stdin:
    kind, fanouts, batch = line.split()
    sampler = kinds[kind]([int(fanout) for fanout in fanouts.split(",")][::-1])
    wanted = seeds[int(batch) * 1024:][:1024].clone()
    started = time.process_time()
    blocks = sampler.sample_blocks(graph, wanted)[2]
    print(time.process_time() - started, sum(block.num_edges() for block in blocks), flush=True)
"""


def answer(folder: str) -> None:
    """Do the same as `DGL`, in this environment."""
    keep_freed_memory()
    graph = load_graph(folder, check_features=False)
    samplers = {name: make(graph) for name, make in SAMPLERS.items()}
    print("ready", flush=True)
    for line in sys.stdin:
        kind, fanouts, batch = line.split()
        numbers = [int(fanout) for fanout in fanouts.split(",")]
        wanted = np.array(graph.train_idx[int(batch) * BATCH :][:BATCH])
        started = time.process_time()
        blocks = sample_blocks(samplers[kind], wanted, numbers, seed=0, epoch=0, step=int(batch))
        print(time.process_time() - started, sum(block.num_edges for block in blocks), flush=True)


class Worker:
    """A persistent process that answers lines."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        self.ready = self.read()
        if not self.ready.startswith("ready"):
            raise SystemExit(f"{command[0]}: did not start")

    def read(self) -> str:
        """One line of its answers."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def sample(self, kind: str, fanouts: tuple[int, ...], batch: int) -> np.ndarray:
        """CPU seconds and edges of one mini-batch."""
        assert self.process.stdin
        print(kind, ",".join(map(str, fanouts)), batch, file=self.process.stdin, flush=True)
        return np.array([float(number) for number in self.read().split()])

    def end(self) -> None:
        """Let it end."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def compare(ours: Worker, dgl: Worker, fanouts: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """Rates of both samplers of both, and their ratios."""
    rates: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        sums = {f"{who} {kind}": np.zeros(2) for kind in SAMPLERS for who in ("fulmen", "dgl")}
        for batch in range(BATCHES):
            for kind in SAMPLERS:
                sums[f"fulmen {kind}"] += ours.sample(kind, fanouts, batch)
                sums[f"dgl {kind}"] += dgl.sample(kind, fanouts, batch)
        if number:
            for who, (seconds, edges) in sums.items():
                rates.setdefault(who, []).append(edges / seconds / 1e6)
    ratios = {kind: np.divide(rates[f"fulmen {kind}"], rates[f"dgl {kind}"]) for kind in SAMPLERS}
    return {
        "million_edges_per_second": {who: statistics.median(values) for who, values in rates.items()},
        "times_dgl": {kind: float(np.median(values)) for kind, values in ratios.items()},
        "times_dgl_quartiles": {
            kind: np.quantile(values, (0.25, 0.75)).tolist() for kind, values in ratios.items()
        },
        "rounds": rounds,
        "load_average": os.getloadavg()[0],
    }


def gather(vertices: int, width: int, rounds: int, rows: int = 150_000) -> dict[str, Any]:
    """Random rows against copying as many that lie together into warm memory, as shares of its bandwidth."""
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    features = random.random((vertices, width), np.float32)
    wanted = random.integers(0, vertices, rows)
    ours, out = FeatureRows(features), np.empty((rows, width), np.float32)
    source, x, ids, target = out + 1, *map(torch.from_numpy, (features, wanted, out))
    ways: dict[str, Callable[[], object]] = {
        "copy": lambda: np.copyto(out, source),
        "FeatureRows.take": lambda: ours.take(wanted),
        "torch.index_select, out=": lambda: torch.index_select(x, 0, ids, out=target),
        "numpy.take, out=": lambda: np.take(features, wanted, 0, out, "clip"),
        "tensor[ids]": lambda: x[ids],
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            started = time.process_time()
            way()
            seconds[name].append(time.process_time() - started)
    copying = seconds["copy"][1:]
    return {
        "gigabytes_per_second": {n: out.nbytes / statistics.median(s[1:]) / 1e9 for n, s in seconds.items()},
        "of_copy": {
            name: statistics.median(a / b for a, b in zip(copying, taken[1:], strict=True))
            for name, taken in seconds.items()
        },
        "rounds": rounds,
        "load_average": os.getloadavg()[0],
    }


def main() -> None:
    """Measure what is not measured yet, and print all of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dgl_python", nargs="?", help="Python of the environment with DGL; without: print")
    parser.add_argument("--large", action="store_true", help="the graphs of a million vertices too")
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"sampling": {}, "gather": {}}

    def keep(part: str, case: str, value: dict[str, Any]) -> None:
        results[part][case] = value
        write_artifact(RESULTS, json.dumps(results, indent=1) + "\n")

    for vertices, width in ((200_000, 128), (1_000_000, 128)):
        case = f"{vertices} x {width}"
        if options.dgl_python and case not in results["gather"]:
            keep("gather", case, gather(vertices, width, 2 * options.rounds))
    for name, source in GRAPHS.items():
        cases = {f"{name} {'/'.join(map(str, fanouts))}": fanouts for fanouts in FANOUTS}
        missing = {case: fanouts for case, fanouts in cases.items() if case not in results["sampling"]}
        if not options.dgl_python or not missing or (name in LARGE and not options.large):
            continue
        with tempfile.TemporaryDirectory() as folder:
            save_graph(source.make(), folder, write_artifact)
            ours = Worker([sys.executable, __file__, "--answer", folder])
            dgl = Worker([options.dgl_python, "-c", DGL, folder])
            results["peer"] = dgl.ready.removeprefix("ready ")
            for case, fanouts in missing.items():
                keep("sampling", case, compare(ours, dgl, fanouts, options.rounds))
            ours.end()
            dgl.end()
    show(results)


def show(results: dict[str, Any]) -> None:
    """Print the tables of the docs."""
    print(
        "| Graph, fan-outs | M edges/s | DGL | x | LABOR | DGL's LABOR | x |\n|---|---|---|---|---|---|---|"
    )
    for case, found in results["sampling"].items():
        rates, times = found["million_edges_per_second"], found["times_dgl"]
        cells = [
            text
            for kind in SAMPLERS
            for text in (
                f"{rates[f'fulmen {kind}']:.1f}",
                f"{rates[f'dgl {kind}']:.1f}",
                f"{times[kind]:.2f}",
            )
        ]
        print(f"| {case} | {' | '.join(cells)} |")
    print(
        "\n| Rows gathered | "
        + " | ".join(next(iter(results["gather"].values()), {"of_copy": {}})["of_copy"])
    )
    for case, found in results["gather"].items():
        print(f"| {case} | " + " | ".join(f"{share:.2f}" for share in found["of_copy"].values()) + " |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--answer"]:
        answer(sys.argv[2])
    else:
        main()
