"""A training step from seeds to new weights, beside DGL's own data-parallel loader and network.

    python benchmarks/split_parallel_end_to_end.py /tmp/dgl/bin/python [--rounds 21]

DGL 2.1.0 runs with torch 2.2.1 in an environment of its own (``split_parallel_sampler.py`` says how it is
made). Two processes of DGL and two of ours stay and step by turns, one thread each: DGL's ``DataLoader``
with ``use_ddp``, int32 ids, its ``SAGEConv`` and torch's DistributedDataParallel; ours data parallel; ours
split. All keep memory that is freed, use Adam, 128 features, 256 hidden, fan-outs 15/10/5 and 1024 seeds in
all, on a degree-corrected SBM of 200,000 vertices. Mini-batches are made in the step. A step takes what the
slower of two processes takes; the first two rounds warm up. The two torches' matrix products differ too: it
is what a user gets, not the loaders alone.

Writes benchmarks/results/split_parallel_end_to_end.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import split_parallel_step as step
import torch

from fulmen import write_artifact
from fulmen_split_parallel import DegreeCorrectedSBM
from fulmen_split_parallel.graph.folder import load_graph, save_graph
from fulmen_split_parallel.partition.make import partition

RESULTS = Path(__file__).parent / "results" / "split_parallel_end_to_end.json"
NUMBER = 0  # of the configuration in split_parallel_step.py
WARM = 2

# Answers each line with the seconds of one step. Runs in DGL's environment.
DGL = """
import ctypes, sys, time
import numpy as np, torch, dgl, torch.distributed as dist
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 256 << 20)):
    ctypes.CDLL(None).mallopt(option, value)
torch.set_num_threads(1)
folder, store = sys.argv[1], sys.argv[3]
rank, hidden, size = (int(sys.argv[place]) for place in (2, 4, 5))
fanouts = [int(number) for number in sys.argv[6].split("/")]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
load = lambda name: torch.from_numpy(np.load(f"{folder}/{name}.npy"))
csc = ("csc", (load("indptr").int(), load("indices").int(), torch.empty(0, dtype=torch.int32)))
graph = dgl.graph(csc, idtype=torch.int32).formats("csc")
features, labels, seeds = load("features").float(), load("labels"), load("train_idx").int()

class Sage(torch.nn.Module):
    def __init__(self, widths):
        super().__init__()
        pairs = list(zip(widths, widths[1:]))
        self.layers = torch.nn.ModuleList(dgl.nn.SAGEConv(a, b, "mean") for a, b in pairs)

    def forward(self, blocks, rows):
        for number, (layer, block) in enumerate(zip(self.layers, blocks)):
            rows = layer(block, rows)
            rows = rows if number == len(blocks) - 1 else rows.relu()
        return rows

torch.manual_seed(0)
classes = int(labels.max()) + 1
network = DistributedDataParallel(Sage([features.shape[1], *[hidden] * (len(fanouts) - 1), classes]))
optimizer = torch.optim.Adam(network.parameters(), 1e-3)
sampler = dgl.dataloading.NeighborSampler(fanouts[::-1])
loader = dgl.dataloading.DataLoader(
    graph, seeds, sampler, batch_size=size // 2, shuffle=True, drop_last=True, use_ddp=True, num_workers=0)

def batches():
    while True:
        yield from loader

each = batches()
print("ready", dgl.__version__, torch.__version__, flush=True)
for line in sys.stdin:
    dist.barrier()
    started = time.perf_counter()
    inputs, outputs, blocks = next(each)
    loss = functional.cross_entropy(network(blocks, features[inputs.long()]), labels[outputs.long()])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    dist.barrier()
    print(time.perf_counter() - started, flush=True)
"""


def answer(folder: str, rank: int) -> None:
    """Do the same as `DGL`, in data parallel or split as each line says."""
    print("ready", flush=True)
    contenders, seeds = step.contenders(rank, folder, NUMBER, "auto")
    for line, batch in zip(sys.stdin, seeds, strict=False):
        contender = contenders[line.strip()]
        contender.step(batch)
        print(contender.rows[-1][0], flush=True)


class Pair:
    """Two persistent processes that step together."""

    def __init__(self, commands: list[list[str]]) -> None:
        self.processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for command in commands
        ]
        self.ready = [self._read(process) for process in self.processes]
        if not all(line.startswith("ready") for line in self.ready):
            raise SystemExit(f"{commands[0][0]}: did not start")

    def step(self, what: str) -> float:
        """Return the seconds of the slower process."""
        for process in self.processes:
            assert process.stdin
            print(what, file=process.stdin, flush=True)
        return max(float(self._read(process)) for process in self.processes)

    def end(self) -> None:
        """Let both end."""
        for process in self.processes:
            assert process.stdin
            process.stdin.close()
        for process in self.processes:
            process.wait()

    @staticmethod
    def _read(process: subprocess.Popen[str]) -> str:
        assert process.stdout
        return process.stdout.readline().strip()


def measure(python: str, root: Path, rounds: int) -> dict[str, Any]:
    """Step by turns and sum up."""
    partitioner, _, features, hidden, fanouts, size = step.CONFIGURATIONS[NUMBER]
    place, folder = root / f"graph-{features}", root / "run"
    folder.mkdir()
    save_graph(DegreeCorrectedSBM(num_vertices=200_000, num_features=features).make(), place, write_artifact)
    owner = partition(
        load_graph(place, check_features=False), partitioner, 2, fanouts, size, 1, step.SEED
    ).owner
    torch.save(owner, folder / "owner.pt")
    theirs = [str(hidden), str(size), "/".join(map(str, fanouts))]
    dgl = Pair(
        [[python, "-c", DGL, str(place), str(rank), str(root / "dgl-store"), *theirs] for rank in range(2)]
    )
    ours = Pair(
        [[sys.executable, __file__, "--answer", str(rank), "--folder", str(folder)] for rank in range(2)]
    )
    ways = {"dgl": (dgl, "dgl"), "data": (ours, "data"), "split": (ours, "split")}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds + WARM):
        order = list(ways)[turn % 3 :] + list(ways)[: turn % 3]
        for way in order:
            pair, what = ways[way]
            seconds[way].append(pair.step(what))
    dgl.end(), ours.end()
    middle = {way: statistics.median(times[WARM:]) for way, times in seconds.items()}
    ratios = {
        way: statistics.median(a / b for a, b in zip(seconds[way][WARM:], seconds["dgl"][WARM:], strict=True))
        for way in ("data", "split")
    }
    return {
        "configuration": step.name_of(step.CONFIGURATIONS[NUMBER]),
        "dgl": dgl.ready[0].removeprefix("ready "),
        "torch": torch.__version__,
        "rounds": rounds,
        "load": round(os.getloadavg()[0], 1),
        "step_ms": {way: round(1e3 * time, 1) for way, time in middle.items()},
        "over_dgl": {way: round(ratio, 3) for way, ratio in ratios.items()},
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("python", nargs="?", help="of DGL's environment")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--answer", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answer is not None:
        answer(options.folder, options.answer)
        return
    if options.python is None:
        parser.error("name the Python of DGL's environment")
    with tempfile.TemporaryDirectory() as root:
        row = measure(options.python, Path(root), options.rounds)
    write_artifact(RESULTS, json.dumps(row, indent=1) + "\n")
    print(json.dumps(row, indent=1))


if __name__ == "__main__":
    main()
