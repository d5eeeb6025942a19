"""What the search's own machinery costs: commits, ten thousand workers, new workers, latencies.

    python benchmarks/search.py            # writes benchmarks/results/search.json and prints a table

Each line stands beside its bar. Nothing is trained here.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from fulmen.costs.interleaved import interleaved_ratio
from fulmen.engines.processes import ProcessesEngine
from fulmen.search.budget import Budget
from fulmen.search.loop import SearchLoop
from fulmen.searching import Task
from fulmen.study import Study
from fulmen.testing.climber import Climber, bowl
from fulmen.testing.simulated import SimulatedEngine
from fulmen_evolution import Evolution

RESULTS = Path(__file__).parent / "results" / "search.json"


EDGES = {f"edge{number}": list(range(5)) for number in range(6)}  # as NAS-Bench-201 has them
SUMMED = np.random.default_rng(0).normal(size=(2, len(EDGES), 5))  # what each adds to each objective


def search(
    engine: Any, searcher: Any, budget: Budget, times: list[tuple[float, float]] | None = None
) -> Study:
    """Run a search whose candidates cost nothing; note each result's time, of the clock and of the CPU."""
    study = Study.open(Path(tempfile.mkdtemp()), "benchmark")

    def watch(step: Any) -> None:
        if step is not None and times is not None:
            times.append((time.perf_counter(), time.process_time()))

    SearchLoop(
        searcher,
        study,
        engine,
        lambda candidate, key: Task(key, "simulated:bowl", (dict(candidate.overlay),)),
        ["loss", "cost"],
        budget,
        clock=engine.clock,
        watch=watch,
    ).run()
    return study


def compute(task: Task) -> dict[str, Any]:
    """Return the result of a task."""
    return bowl(task.arguments[0]["x"], task.arguments[0]["y"])


def summed(task: Task) -> dict[str, Any]:
    """Return two objectives that each value of each key adds to."""
    loss, cost = SUMMED[:, np.arange(len(EDGES)), list(task.arguments[0].values())].sum(1).tolist()
    return {"values": {"loss": loss, "cost": cost}}


def commit(repeats: int = 5) -> dict[str, Any]:
    """Time of ask, tell and commit of an evolution of a thousand individuals: 200 results, one at a time.

    The simulated tasks are short, so that each poll finds one: polls cost too. A commit waits for the disk,
    which takes from one minute to the next a tenth or ten times as long: hence several, each beside its sync.
    """
    runs = [_committed() for _ in range(repeats)]
    return {"median_ms": float(np.median([run["median_ms"] for run in runs])), "runs": runs}


def _committed() -> dict[str, float]:
    times: list[tuple[float, float]] = []
    searcher = Evolution(EDGES, {"loss": "min", "cost": "min"})
    search(SimulatedEngine(2, summed, median=0.1), searcher, Budget(1_200), times)
    durations, cpu = np.diff(times[1_000:], axis=0).T * 1e3
    folder = tempfile.mkdtemp()
    syncs = []
    with open(f"{folder}/sync", "wb") as file:  # noqa: PTH123
        for _ in range(100):
            start = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            syncs.append((time.perf_counter() - start) * 1e3)
    return {
        "median_ms": float(np.median(durations)),
        "median_cpu_ms": float(np.median(cpu)),
        "of_which_one_sync_ms": float(np.median(syncs)),
    }


def workers(count: int = 10_000) -> dict[str, Any]:
    """Efficiency of many simulated workers, the loop's own time being charged to the false clock."""
    engine = SimulatedEngine(count, compute, sigma=0.6, charged=True)
    start = time.perf_counter()
    study = search(engine, Climber(), Budget(None, 2.0))
    seconds, told = time.perf_counter() - start, len(study.told())
    return {"efficiency": 1 - engine.idle / (count * engine.now), "results": told, "seconds": seconds}


def throughput() -> dict[str, Any]:
    """Results committed a second where there are always more than the loop can take."""
    engine = SimulatedEngine(10_000, compute, median=0.5, charged=True)
    start = time.perf_counter()
    told = len(search(engine, Climber(), Budget(10_000)).told())
    return {"committed_per_second": told / (time.perf_counter() - start)}


def new_workers() -> dict[str, Any]:
    """Seconds until a further worker has answered its first task."""
    engine = ProcessesEngine(workers=1, tasks_per_worker=1)
    times = []
    for number in range(8):
        start = time.perf_counter()
        engine.submit(Task(f"t{number}", "fulmen.testing.tasks:pid"))
        while not engine.poll(1.0):
            pass
        times.append(time.perf_counter() - start)
    engine.close()
    return {"first_s": times[0], "further_s": statistics.median(times[1:])}


def asynchronous() -> dict[str, Any]:
    """The share of the time that eight processes sleep for a task, none of them waiting for another."""
    engine = ProcessesEngine(workers=8)
    random = np.random.default_rng(0)
    seconds = (1.0 * np.exp(0.3 * random.standard_normal(120))).tolist()
    for number in range(8):
        engine.submit(Task(f"warm{number}", "time:sleep", (0.5,)))
    left = 8
    while left:
        left -= len(engine.poll(1.0))
    start, number, slept = time.perf_counter(), 0, 0.0
    running: dict[str, float] = {}
    while time.perf_counter() - start < 20.0:
        while len(running) < 8:
            running[f"t{number}"] = time.perf_counter()
            engine.submit(Task(f"t{number}", "time:sleep", (seconds[number % 120],)))
            number += 1
        for outcome in engine.poll(1.0):
            running.pop(outcome.key)
            slept += seconds[int(outcome.key[1:]) % 120]
    end = time.perf_counter()
    slept += sum(end - since for since in running.values())
    engine.close()
    return {"efficiency": slept / 8 / (end - start), "tasks": number}


def latency(repeats: int = 5) -> dict[str, Any]:
    """How well latency ratios repeat beside a busy process; several times, for the machine has its moods."""
    runs = [_repeated_latencies() for _ in range(repeats)]
    names = ("coefficient_of_variation", "rank_agreement")
    return {**{name: float(np.median([run[name] for run in runs])) for name in names}, "runs": runs}


def _repeated_latencies(neighbours: int = 1) -> dict[str, float]:
    torch.set_num_threads(1)
    inputs = torch.zeros(1, 3, 32, 32)

    def forward(width: int) -> Any:
        network = torch.nn.Sequential(torch.nn.Conv2d(3, width, 3), torch.nn.Conv2d(width, width, 3))

        def run() -> None:
            with torch.inference_mode():
                network(inputs)

        return run

    def measure(width: int) -> float:
        return interleaved_ratio(forward(width), reference, most_seconds=5.0, clock=time.thread_time).ratio

    reference = forward(16)
    busy = [multiprocessing.get_context("fork").Process(target=_spin) for _ in range(neighbours)]
    for process in busy:
        process.start()
    try:
        repeated = [measure(32) for _ in range(10)]
        widths = [4, 6, 8, 12, 16, 24, 32, 48, 64, 96]
        passes = [[measure(width) for width in widths] for _ in range(2)]
    finally:
        for process in busy:
            process.kill()
    return {
        "coefficient_of_variation": float(np.std(repeated) / np.mean(repeated)),
        "rank_agreement": float(spearmanr(*passes).statistic),
    }


def _spin() -> None:
    while True:
        sum(range(1000))


BARS = [
    ("commit", "median_ms", "ask + tell + commit at 1,000 individuals, ms", "<=", 2.0),
    ("workers", "efficiency", "10,000 simulated workers: efficiency", ">=", 0.95),
    ("throughput", "committed_per_second", "results committed a second", ">=", 500.0),
    ("new_workers", "further_s", "a further worker is ready after, s", "<=", 0.3),
    ("asynchronous", "efficiency", "8 sleeping processes: efficiency", ">=", 0.95),
    ("latency", "coefficient_of_variation", "latency beside a busy neighbour: CV", "<=", 0.05),
    ("latency", "rank_agreement", "latency: rank agreement of two passes", ">=", 0.98),
]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    measured = {f.__name__: f() for f in (commit, workers, throughput, new_workers, asynchronous, latency)}
    measured["machine"] = {
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    RESULTS.write_text(json.dumps(measured, indent=1) + "\n")
    for group, key, label, sign, bar in BARS:
        value = measured[group][key]
        holds = value <= bar if sign == "<=" else value >= bar
        print(f"{label:<48} {value:>9.3f}  {sign} {bar:<6g} {'holds' if holds else 'MISSED'}")
    for run in measured["commit"]["runs"]:
        print(", ".join(f"{name} {value:.2f}" for name, value in run.items()))
    print(f"the load is {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
