"""How long a training step takes on two processes: split parallel over data parallel.

    python benchmarks/split_parallel_step.py [--rounds 9] [--transport auto] [--only 2]

Two processes, one thread each, train the same network on the same global mini-batches of the same graph, by
turns: a step of data parallel, a step of split parallel. Both use the plugin's sampler, its loading, its
networks and torch's DistributedDataParallel, and make their mini-batches in the step itself (nothing is made
ahead: two processes fill two cores). The first two rounds warm up. A ratio is the median of the rounds'
ratios: of seconds on the clock, and of CPU seconds of both processes, which a machine that is shared with
others distorts less but which leave out the waiting. Stages are of the mean rank, in milliseconds.

The graph is a degree-corrected SBM of 200,000 vertices. Each configuration is saved when it is done, and
skipped the next time: writes benchmarks/results/split_parallel_step.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from fulmen import write_artifact
from fulmen_split_parallel import DegreeCorrectedSBM
from fulmen_split_parallel.cooperative.builder import BatchBuilder
from fulmen_split_parallel.cooperative.hot_rows import HotRows
from fulmen_split_parallel.cooperative.opening import open_transports
from fulmen_split_parallel.cooperative.plan import Planner
from fulmen_split_parallel.graph.folder import load_graph, save_graph
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.loading import GraphLoader, SeedBatch
from fulmen_split_parallel.networks import GraphBatch, Stack
from fulmen_split_parallel.networks.stack import gat, sage
from fulmen_split_parallel.partition.make import partition
from fulmen_split_parallel.sampling.allocator import keep_freed_memory
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler

RESULTS = Path(__file__).parent / "results" / "split_parallel_step.json"
WARM, SEED = 2, 11
STAGES = ("sample", "load", "exchange", "compute")
# partitioner, network, features, hidden width, fan-outs, batch
CONFIGURATIONS: list[tuple[str, str, int, int, list[int], int]] = [
    ("restreaming", "sage", 128, 256, [15, 10, 5], 1024),
    ("restreaming", "sage", 128, 256, [15, 15, 15], 4096),
    ("restreaming", "sage", 128, 256, [15, 15, 15], 1024),
    ("restreaming", "sage", 128, 64, [15, 15, 15], 4096),
    ("restreaming", "sage", 512, 64, [15, 15, 15], 1024),
    ("restreaming", "gat", 128, 256, [15, 10, 5], 1024),
    ("restreaming", "gat", 128, 256, [15, 15, 15], 1024),
    ("restreaming", "sage", 128, 256, [15, 10], 1024),
    ("restreaming", "gat", 128, 256, [15, 10], 1024),
    ("hash", "sage", 128, 256, [15, 10, 5], 1024),
    ("hash", "sage", 128, 256, [15, 15, 15], 1024),
]


def name_of(configuration: tuple[str, str, int, int, list[int], int]) -> str:
    """Return what a configuration is called in the results."""
    partitioner, network, features, hidden, fanouts, batch = configuration
    return f"{partitioner} {network} {features}/{hidden} {'/'.join(map(str, fanouts))} {batch}"


class Contender:
    """One way to train: makes a mini-batch, steps, and keeps the seconds."""

    def __init__(self, network: nn.Module, batches: Callable[[SeedBatch], GraphBatch]) -> None:
        self.network = DistributedDataParallel(network)
        self.optimizer = torch.optim.Adam(network.parameters(), 1e-3)
        self.batches = batches
        self.rows: list[list[float]] = []

    def step(self, seeds: SeedBatch) -> None:
        """Train on one mini-batch."""
        dist.barrier()
        cpu, started = time.process_time(), time.perf_counter()
        batch = self.batches(seeds)
        assert batch.y is not None
        loss = batch.mean(functional.cross_entropy(self.network(batch), batch.y, reduction="none"))
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        dist.barrier()
        total = time.perf_counter() - started
        counts = batch.counts
        stages = [counts["sample_seconds"], counts["load_seconds"], counts.get("exchange_seconds", 0.0)]
        used = time.process_time() - cpu
        numbers = [total, used, *stages, total - sum(stages), counts["edges"], counts["input_rows"]]
        self.rows.append([*numbers, counts["shuffled_rows"]])


def contenders(
    rank: int, folder: str, number: int, transport: Any
) -> tuple[dict[str, Contender], Iterator[SeedBatch]]:
    """Join the other process, and return the two ways to train and the mini-batches."""
    torch.set_num_threads(1)
    keep_freed_memory()
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    _, kind, features, hidden, fanouts, size = CONFIGURATIONS[number]
    graph = load_graph(Path(folder).parent / f"graph-{features}", check_features=False)
    owner = torch.load(Path(folder) / "owner.pt", weights_only=False)
    loader = GraphLoader(
        graph,
        graph.train_idx,
        fanouts,
        size,
        NeighbourSampler,
        seed=SEED,
        shuffled=True,
        rank=rank,
        ranks=2,
        ahead=False,
    )
    ways = open_transports(transport, [[0, 1]], torch.device("cpu"), timedelta(minutes=10))
    planner = Planner(NeighbourSampler(graph), owner, ways.ids)
    builder = BatchBuilder(graph, planner, HotRows(graph.features), ways, 0, 1, 2)

    def network() -> nn.Module:
        torch.manual_seed(0)
        make = sage() if kind == "sage" else gat(heads=4)
        return Stack(make, features, hidden, graph.num_classes, len(fanouts))

    data = Contender(network(), lambda seeds: loader._make(seeds)[1])
    split = Contender(
        network(),
        lambda seeds: builder.build(
            seeds.vertices, fanouts, seed=SEED, epoch=seeds.epoch, step=seeds.step, key=seeds.key
        ),
    )
    return {"data": data, "split": split}, again(loader)


def contend(rank: int, folder: str, number: int, rounds: int, transport: Any) -> None:
    """Be one of the two processes in one configuration; each leaves what it measured."""
    made, batches = contenders(rank, folder, number, transport)
    data, split = made["data"], made["split"]
    for turn, seeds in zip(range(rounds + WARM), batches, strict=False):
        for contender in (data, split) if turn % 2 else (split, data):
            contender.step(seeds)
    torch.save({"data": data.rows[WARM:], "split": split.rows[WARM:]}, Path(folder) / f"{rank}.pt")
    dist.barrier()


def again(loader: GraphLoader) -> Iterator[SeedBatch]:
    """Yield mini-batches, and begin anew when the epoch is over."""
    while True:
        yield from (seeds for seeds in loader.seed_batches() if len(seeds.vertices) == loader.batch_size)


def main() -> None:
    """Measure what is not yet measured, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--transport", default="auto")
    parser.add_argument("--only", type=int, help="so many configurations, the first ones")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as root:
        for number, configuration in enumerate(CONFIGURATIONS[: options.only]):
            key = f"{name_of(configuration)} {options.transport}"
            if key not in results:
                results[key] = measure(Path(root), number, options.rounds, options.transport)
                write_artifact(RESULTS, json.dumps(results, indent=1) + "\n")
            row = results[key]
            print(f"{key:58s} clock {row['clock']:.2f} CPU {row['cpu']:.2f} {row['split_ms']}", flush=True)


def measure(root: Path, number: int, rounds: int, transport: str) -> dict[str, Any]:
    """Run one configuration and sum it up."""
    partitioner, _, features, _, fanouts, size = CONFIGURATIONS[number]
    place = root / f"graph-{features}"
    if not place.exists():
        save_graph(
            DegreeCorrectedSBM(num_vertices=200_000, num_features=features).make(), place, write_artifact
        )
    graph: Graph = load_graph(place, check_features=False)
    folder = root / f"run-{number}"
    folder.mkdir()
    made = partition(graph, partitioner, 2, fanouts, size, 1, SEED)
    torch.save(made.owner, folder / "owner.pt")
    arguments = (str(folder), number, rounds, transport)
    torch.multiprocessing.spawn(contend, arguments, nprocs=2)  # type: ignore[no-untyped-call]
    ranks = [torch.load(folder / f"{rank}.pt") for rank in range(2)]
    data, split = (torch.tensor([ranks[0][way], ranks[1][way]]) for way in ("data", "split"))
    clock = split[:, :, 0].amax(0) / data[:, :, 0].amax(0)
    cpu = split[:, :, 1].sum(0) / data[:, :, 1].sum(0)
    rows: dict[str, Any] = {
        "rounds": rounds,
        "load": round(os.getloadavg()[0], 1),
        "clock": round(statistics.median(clock.tolist()), 3),
        "cpu": round(statistics.median(cpu.tolist()), 3),
    }
    for way, table in (("data", data), ("split", split)):
        middle = table.mean(0).median(0).values.tolist()
        rows[f"{way}_cpu_ms"] = round(1e3 * table[:, :, 1].sum(0).median().item(), 1)
        rows[f"{way}_step_ms"] = round(1e3 * table[:, :, 0].amax(0).median().item(), 1)
        rows[f"{way}_ms"] = {s: round(1e3 * v, 1) for s, v in zip(STAGES, middle[2:6], strict=True)}
        sums = table.sum(0).mean(0).tolist()
        rows[f"{way}_counts"] = {
            n: round(v) for n, v in zip(("edges", "rows", "shuffled"), sums[6:], strict=True)
        }
    return rows


if __name__ == "__main__":
    main()
