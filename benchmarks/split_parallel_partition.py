"""Re-streaming beside METIS and a hash: cut, balance and seconds.

    python benchmarks/split_parallel_partition.py                      all graphs, 9 rounds; it resumes
    python benchmarks/split_parallel_partition.py --only dc_sbm_200k --rounds 3
    python benchmarks/split_parallel_partition.py --table              no runs: the table of what is there

All partition the same weighted graph: two epochs pre-sampled with fan-outs 15/10/5 and batches of 1024. Cut
and imbalance are means over ten other mini-batches (``fulmen_split_parallel.partition.quality``). Seconds are
of CPU time on one thread, without the pre-sampling that all need, medians of rounds in which the methods take
turns.

Each graph and number of parts is a row in benchmarks/results/split_parallel_partition.json, written at once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fulmen import write_artifact
from fulmen_split_parallel import DebianPackages, DegreeCorrectedSBM, RecursiveMatrix
from fulmen_split_parallel.graph.sources import GraphSource
from fulmen_split_parallel.partition.hashing import hashed
from fulmen_split_parallel.partition.metis import metis
from fulmen_split_parallel.partition.presampling import presample
from fulmen_split_parallel.partition.quality import quality
from fulmen_split_parallel.partition.restreaming import restream
from fulmen_split_parallel.partition.weighted_graph import weighted_graph
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler

RESULTS = Path(__file__).parent / "results" / "split_parallel_partition.json"
GRAPHS: dict[str, Callable[[], GraphSource]] = {
    "dc_sbm_200k": lambda: DegreeCorrectedSBM(num_vertices=200_000, num_features=1),
    "dc_sbm_200k_local": lambda: DegreeCorrectedSBM(
        num_vertices=200_000, num_features=1, train_share=0.02, seed_communities=8
    ),
    "rmat_200k": lambda: RecursiveMatrix(scale=18, num_features=1),
    "debian": DebianPackages,
    "dc_sbm_1m": lambda: DegreeCorrectedSBM(num_vertices=1_000_000, num_features=1),
}
PARTS = (2, 8)
FANOUTS, BATCH, EPOCHS, SEED = [15, 10, 5], 1024, 2, 0
BARS = {2: 1.05, 8: 1.12}  # of edge imbalance


def measured(name: str, rounds: int, done: set[tuple[str, int]]) -> Iterator[dict[str, Any]]:
    """Yield the rows of one graph that are not there yet."""
    wanted = [parts for parts in PARTS if (name, parts) not in done]
    if not wanted:
        return
    graph = GRAPHS[name]().make()
    sampler = NeighbourSampler(graph)
    started = time.process_time()
    counts = presample(sampler, FANOUTS, BATCH, EPOCHS, SEED)
    presampling = time.process_time() - started
    indptr, indices = np.asarray(graph.indptr), np.asarray(graph.indices)
    weighted_graph(indptr, indices, counts.edges, counts.work)  # compiles
    started = time.process_time()
    weighted = weighted_graph(indptr, indices, counts.edges, counts.work)
    weighing = time.process_time() - started
    for parts in wanted:
        methods: dict[str, Callable[[], Any]] = {
            "restreaming": lambda parts=parts: restream(weighted, parts),
            "metis": lambda parts=parts: metis(weighted, parts),
            "hash": lambda parts=parts: hashed(graph.num_vertices, parts, SEED),
        }
        restream(weighted, parts)  # compiles
        seconds: dict[str, list[float]] = {method: [] for method in methods}
        owners = {}
        for _ in range(rounds):
            for method, run in methods.items():
                started = time.process_time()
                owners[method] = run()
                seconds[method].append(time.process_time() - started)
        row: dict[str, Any] = {
            "graph": name,
            "parts": parts,
            "vertices": graph.num_vertices,
            "edges": graph.num_edges,
            "rounds": rounds,
            "presampling_seconds": presampling,
            "weighing_seconds": weighing,
        }
        for method, owner in owners.items():
            found = quality(sampler, owner, parts, FANOUTS, BATCH, SEED)
            row[method] = {**vars(found), "seconds": statistics.median(seconds[method])}
        ratios = [a / b for a, b in zip(seconds["restreaming"], seconds["metis"], strict=True)]
        row["time_ratio"] = statistics.median(ratios)
        yield row


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown, and the bars."""
    lines = [
        "| Graph | Parts | re-streaming: cut, imbalance, s | METIS: cut, imbalance, s | hash: cut, imbalance "
        "| cut / METIS | time / METIS |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ours, theirs, chance = row["restreaming"], row["metis"], row["hash"]
        lines.append(
            f"| {row['graph']} | {row['parts']} "
            f"| {ours['cut']:.3f}, {ours['imbalance']:.2f}, {ours['seconds']:.2f} "
            f"| {theirs['cut']:.3f}, {theirs['imbalance']:.2f}, {theirs['seconds']:.2f} "
            f"| {chance['cut']:.3f}, {chance['imbalance']:.2f} "
            f"| {ours['cut'] / theirs['cut']:.2f} | {row['time_ratio']:.2f} |"
        )
    mean = statistics.geometric_mean([row["time_ratio"] for row in rows])
    lines.append(f"\nGeometric mean of the time ratios: {mean:.2f} (bar: 1).")
    for row in rows:
        ours = row["restreaming"]
        cut, most = ours["cut"] / row["metis"]["cut"], BARS[row["parts"]]
        if row["graph"].startswith("dc_sbm"):
            kept = cut <= 1.05 and ours["imbalance"] <= most
            lines.append(
                f"{row['graph']}, {row['parts']} parts: cut {cut:.2f}x METIS's (bar 1.05), imbalance "
                f"{ours['imbalance']:.2f} (bar {most}): {'kept' if kept else 'MISSED'}."
            )
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=list(GRAPHS), choices=GRAPHS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    for name in [] if options.table else options.only:
        done = {(row["graph"], row["parts"]) for row in rows}
        for row in measured(name, options.rounds, done):
            rows.append(row)
            write_artifact(RESULTS, json.dumps(rows, indent=1) + "\n")
            print(table([row]), flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
