"""The command ``fulmen split_parallel check``: is splitting exact here, and what does it save?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import numpy as np

from fulmen import progress
from fulmen.errors import ConfigError, DataError
from fulmen_split_parallel.cooperative.comparison import Task, compare, ratio
from fulmen_split_parallel.graph_data import GraphData
from fulmen_split_parallel.partition.errors import PartitionError
from fulmen_split_parallel.partition.make import partition

EXACT = 1e-12


def check(
    data: GraphData | None = None,
    parts: int = 2,
    network: Literal["sage", "gat", "gin"] = "sage",
    steps: int = 3,
    partitioner: str = "restreaming",
) -> int:
    """Compute the same mini-batches in one process and split over several, and compare, in float64.

    Args:
        data: The graph and how it is sampled: --data split_parallel.graph --data.path FOLDER.
        parts: Processes that split each mini-batch; started on this machine, on its CPUs.
        network: With residuals, batch normalisation and dropout.
        steps: Mini-batches.
        partitioner: restreaming, metis, hash, or a file.

    Returns:
        0 if the losses and all gradients are equal to 1e-12 and no row or edge is loaded or computed twice; 1
        if not.
    """
    if data is None:  # not a required parameter, for those become positional and cannot have options
        raise ConfigError("check: no data is named; expected --data split_parallel.graph --data.path ...")
    for name, value, least in (("parts", parts, 2), ("steps", steps, 1)):
        if value < least:
            raise ConfigError(f"check: {name} is {value}; expected {least} or more.")
    if not data.fanouts or not len(data.graph.train_idx):
        raise ConfigError(
            "check: no fan-outs or no training vertices; expected some of each: see --data.help."
        )
    features = data.graph.features
    assert isinstance(features, np.memmap)  # a graph that was made is kept as a folder
    folder = Path(str(features.filename)).parent
    try:
        owner = partition(
            data.graph,
            partitioner,
            parts,
            data.fanouts,
            data.batch_size,
            1,
            data.seed,
            data.sampler_name,
            progress=progress,
        ).owner
    except PartitionError as error:
        raise DataError(f"check: {error}.") from error
    task = Task(
        str(folder), tuple(data.fanouts), data.batch_size, data.seed, data.sampler_name, network, steps
    )
    found = compare(task, owner, parts)
    rows, edges = ratio(found.rows), ratio(found.edges)
    sys.stdout.write(
        f"{network} on {steps} mini-batches of {data.batch_size:,}, in one process and split over {parts}:\n"
        f"  rows loaded     {rows[0]:.2f}x one process's (data parallel {rows[1]:.2f}x)\n"
        f"  edges computed  {edges[0]:.2f}x one process's (data parallel {edges[1]:.2f}x)\n"
        f"  rows exchanged  {found.exchanged / found.rows[0]:.2f} for each row loaded\n"
        f"  loss            equal to one process's to {found.loss:.0e}\n"
        f"  gradients       equal to one process's to {found.gradient:.0e}\n"
    )
    exact = max(found.loss, found.gradient) <= EXACT
    return 0 if exact and found.rows[0] == found.rows[1] and found.edges[0] == found.edges[1] else 1
