"""Rows and edges of data parallelism over split parallelism, and what crosses ranks, with two samplers.

    python benchmarks/split_parallel_redundancy.py             all graphs; it resumes
    python benchmarks/split_parallel_redundancy.py --table     no runs: the table of what is there

Counts alone, exact for the mini-batches that were drawn (the first of the first epoch of seed 0; batches of
1024, fan-outs 15/10/5): no clock is read, so it does not matter what else the machine does. Partitioned by
re-streaming.

Each graph and sampler is a group of rows in benchmarks/results/split_parallel_redundancy.json, written at
once.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from fulmen import write_artifact
from fulmen_split_parallel import DebianPackages, DegreeCorrectedSBM, RecursiveMatrix
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.graph.sources import GraphSource
from fulmen_split_parallel.partition.make import partition_from
from fulmen_split_parallel.partition.presampling import presample
from fulmen_split_parallel.planning.steps import data_parallel_work, split_work
from fulmen_split_parallel.sampling.samplers import SAMPLERS
from fulmen_split_parallel.sampling.seeds import seed_batches

RESULTS = Path(__file__).parent / "results" / "split_parallel_redundancy.json"
GRAPHS: dict[str, Callable[[], GraphSource]] = {
    "dc_sbm_200k": lambda: DegreeCorrectedSBM(num_vertices=200_000, num_features=1),
    "rmat_200k": lambda: RecursiveMatrix(scale=18, num_features=1),
    "debian": DebianPackages,
    "dc_sbm_1m": lambda: DegreeCorrectedSBM(num_vertices=1_000_000, num_features=1),
    "rmat_1m": lambda: RecursiveMatrix(scale=20, edges_per_vertex=10.0, num_features=1),
}
PARTS = (2, 4, 8)
FANOUTS, BATCH, SEED = [15, 10, 5], 1024, 0
BAR = 1.15  # of edge imbalance at 4 parts


def counted(name: str, graph: Graph, kind: str, batches: int, epochs: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each number of parts."""
    sampler = SAMPLERS[kind](graph)
    counts = presample(sampler, FANOUTS, BATCH, epochs, SEED)
    owners = {
        str(parts): (
            partition_from(graph, counts, "restreaming", parts, FANOUTS, BATCH, epochs, SEED, kind).owner,
            parts,
        )
        for parts in PARTS
    }
    alone: dict[int, list[Any]] = {parts: [] for parts in PARTS}
    split: dict[int, list[Any]] = {parts: [] for parts in PARTS}
    seeds_of = seed_batches(graph.train_idx, BATCH, seed=SEED, epoch=0)
    for step, seeds in enumerate(islice(seeds_of, batches)):
        place = {"seed": SEED, "epoch": 0, "step": step}
        works = split_work(sampler, seeds, FANOUTS, owners, **place)
        for parts in PARTS:
            alone[parts].append(data_parallel_work(sampler, seeds, FANOUTS, parts, **place))
            split[parts].append(works[str(parts)])
    for parts in PARTS:
        rows = [sum(int(work.inputs.sum()) for work in side[parts]) for side in (alone, split)]
        edges = [sum(int(work.edges.sum()) for work in side[parts]) for side in (alone, split)]
        computed = [sum(int(work.destinations.sum()) for work in side[parts]) for side in (alone, split)]
        yield {
            "graph": name,
            "sampler": kind,
            "parts": parts,
            "mini_batches": len(split[parts]),
            "presample_epochs": epochs,
            "dp_rows": rows[0],
            "split_rows": rows[1],
            "dp_edges": edges[0],
            "split_edges": edges[1],
            "dp_vertices": computed[0],
            "split_vertices": computed[1],
            "shuffled_rows": sum(int(work.received.sum()) for work in split[parts]),
            "cut": sum(work.remote_edges for work in split[parts]) / edges[1],
            "imbalance": sum(work.imbalance for work in split[parts]) / len(split[parts]),
        }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown, rows and edges a mini-batch in thousands."""
    lines = [
        "| Graph | Sampler | Ranks | rows: data parallel, split | edges: data parallel, split | rows x "
        "| edges x | rows that cross, each row loaded | cut | imbalance |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        thousand = 1000 * row["mini_batches"]
        lines.append(
            f"| {row['graph']} | {row['sampler']} | {row['parts']} "
            f"| {row['dp_rows'] / thousand:.1f}k, {row['split_rows'] / thousand:.1f}k "
            f"| {row['dp_edges'] / thousand:.1f}k, {row['split_edges'] / thousand:.1f}k "
            f"| {row['dp_rows'] / row['split_rows']:.2f} | {row['dp_edges'] / row['split_edges']:.2f} "
            f"| {row['shuffled_rows'] / row['split_rows']:.2f} | {row['cut']:.3f} | {row['imbalance']:.2f} |"
        )
    four = [row for row in rows if row["parts"] == 4]
    if four:
        worst = max(four, key=lambda row: float(row["imbalance"]))
        lines.append(
            f"\nLargest edge imbalance at 4 parts: {worst['imbalance']:.2f} ({worst['graph']}, "
            f"{worst['sampler']}; bar {BAR}): {'kept' if worst['imbalance'] <= BAR else 'MISSED'}."
        )
    return "\n".join(lines)


def main() -> None:
    """Count what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=list(GRAPHS), choices=GRAPHS)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    for name in [] if options.table else options.only:
        missing = [
            kind for kind in SAMPLERS if not any((r["graph"], r["sampler"]) == (name, kind) for r in rows)
        ]
        graph = GRAPHS[name]().make() if missing else None
        for kind in missing:
            assert graph is not None
            rows += counted(name, graph, kind, options.batches, options.epochs)
            write_artifact(RESULTS, json.dumps(rows, indent=1) + "\n")
            print(table(rows[-len(PARTS) :]), flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
