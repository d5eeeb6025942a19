"""Are the planner's predictions right? Its time ratios beside those that split_parallel_step.py measured.

    python benchmarks/split_parallel_step.py        first: measures
    python benchmarks/split_parallel_planner.py     predicts, on the same machine; nothing else should run
    python benchmarks/split_parallel_planner.py --table     no runs: the table of what is there

For each configuration of benchmarks/results/split_parallel_step.json the planner measures the rates here,
counts three mini-batches and predicts seconds of a step, split over data parallel. A choice is what the
analyzer would recommend: to split where that is predicted to be faster by more than predictions are good for.
It is right if the measured ratio is on that side of 1. Bars: within 20 % of the measured ratio, and the right
choice in all but two. Writes benchmarks/results/split_parallel_planner.json.
"""

from __future__ import annotations

import argparse
import json
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from fulmen import write_artifact
from fulmen_split_parallel import DegreeCorrectedSBM
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.partition.make import partition
from fulmen_split_parallel.planning.network_shape import NetworkShape
from fulmen_split_parallel.planning.probing import measured_rates
from fulmen_split_parallel.planning.recommendation import CLOSE
from fulmen_split_parallel.planning.steps import data_parallel_work, split_work
from fulmen_split_parallel.planning.table import table_row
from fulmen_split_parallel.sampling.allocator import keep_freed_memory
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler
from fulmen_split_parallel.sampling.seeds import seed_batches

FOLDER = Path(__file__).parent / "results"
MEASURED, RESULTS = FOLDER / "split_parallel_step.json", FOLDER / "split_parallel_planner.json"
SEED, PARTS, BATCHES = 11, 2, 3


def predicted(graph: Graph, name: str) -> dict[str, Any]:
    """Return the planner's ratio for a configuration, and the rates that it rests on."""
    partitioner, network, widths, fanout_text, batch = name.split()[:5]
    features, hidden = map(int, widths.split("/"))
    fanouts, batch_size = [int(number) for number in fanout_text.split("/")], int(batch)
    sampler = NeighbourSampler(graph)
    shape = NetworkShape.of(
        "gat" if network == "gat" else "sage", features, hidden, graph.num_classes, len(fanouts)
    )
    rates = measured_rates(sampler, shape, fanouts, batch_size, SEED, torch.device("cpu"), {})
    owner = partition(graph, partitioner, PARTS, fanouts, batch_size, 1, SEED).owner
    alone, split = [], []
    seeds_of = seed_batches(graph.train_idx, batch_size, seed=SEED, epoch=0)
    for step, seeds in enumerate(islice(seeds_of, BATCHES)):
        place = {"seed": SEED, "epoch": 0, "step": step}
        alone.append(data_parallel_work(sampler, seeds, fanouts, PARTS, **place))
        split.append(split_work(sampler, seeds, fanouts, {"it": (owner, PARTS)}, **place)["it"])
    row = table_row("neighbour", PARTS, partitioner, alone, split, shape, rates, 4 * features)
    return {
        "predicted": row["split_seconds"] / row["dp_seconds"],
        "dp_step_ms": 1000 * row["dp_seconds"] / len(alone),
        "rates": vars(rates),
    }


def splits(row: dict[str, Any]) -> bool:
    """Whether the planner recommends to split."""
    return bool(row["predicted"] * (1 + CLOSE) < 1)


def table(rows: dict[str, Any], steps: dict[str, Any]) -> str:
    """Return predictions beside what was measured, as Markdown, and how often they are right."""
    lines = [
        "| Partition, network, features/hidden | Fan-outs, batch | ratio: predicted, measured | off by "
        "| data parallel, ms: predicted, measured | choice |",
        "|---|---|---|---|---|---|",
    ]
    near = right = 0
    for name, row in rows.items():
        partitioner, network, widths, fanouts, batch = name.split()[:5]
        off, correct = row["predicted"] / row["measured"] - 1, splits(row) == (row["measured"] < 1)
        near, right = near + (abs(off) <= 0.2), right + correct
        choice = ("split" if splits(row) else "data parallel") + ("" if correct else ", wrong")
        lines.append(
            f"| {partitioner}, {network}, {widths} | {fanouts}, {batch} | {row['predicted']:.2f}, "
            f"{row['measured']:.2f} | {100 * off:+.0f} % | {row['dp_step_ms']:.0f}, "
            f"{steps[name]['data_step_ms']:.0f} | {choice} |"
        )
    return "\n".join([*lines, f"\nWithin 20 %: {near} of {len(rows)}; right choice: {right} of {len(rows)}."])


def main() -> None:
    """Predict what was measured and print both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    keep_freed_memory()
    measured = json.loads(MEASURED.read_text())
    rows: dict[str, Any] = json.loads(RESULTS.read_text()) if options.table else {}
    graphs: dict[int, Graph] = {}
    for name, found in [] if options.table else measured.items():
        features = int(name.split()[2].split("/")[0])
        if features not in graphs:
            graphs.clear()  # one at a time: they are large
            graphs[features] = DegreeCorrectedSBM(num_vertices=200_000, num_features=features).make()
        rows[name] = {**predicted(graphs[features], name), "measured": found["clock"], "load": found["load"]}
        write_artifact(RESULTS, json.dumps(rows, indent=1) + "\n")
        print(f"{name}: predicted {rows[name]['predicted']:.2f}, measured {found['clock']:.2f}", flush=True)
    print(table(rows, measured))


if __name__ == "__main__":
    main()
