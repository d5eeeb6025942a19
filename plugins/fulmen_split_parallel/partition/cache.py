"""Partitions on disk: made once for each graph, number of parts and recipe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.partition.make import METHODS, partition, recipe_of, require_options
from fulmen_split_parallel.partition.partition import Partition, Write, load_partition, save_partition
from fulmen_split_parallel.partition.presampling import Progress, no_progress

DECIDED_BY = 2  # raised whenever a method decides otherwise than before: what was kept is then made anew


def cache_path(
    folder: str | Path,
    graph: Graph,
    method: str,
    parts: int,
    fanouts: Sequence[int],
    batch_size: int,
    presample_epochs: int = 2,
    seed: int = 0,
    sampler: str = "neighbour",
) -> Path:
    """Return the file in `folder` for a partition; its name is a key of all that the partition depends on."""
    recipe = recipe_of(method, fanouts, batch_size, presample_epochs, seed, sampler)
    key = hashlib.blake2b(digest_size=8)
    key.update(json.dumps([DECIDED_BY, graph.fingerprint(), parts, recipe], sort_keys=True).encode())
    key.update(np.ascontiguousarray(graph.train_idx, "<i8").tobytes())  # not in the graph's fingerprint
    return Path(folder) / f"partition-{method}-{parts}-{key.hexdigest()}.npz"


def cached_partition(
    folder: str | Path,
    graph: Graph,
    method: str,
    parts: int,
    fanouts: Sequence[int],
    batch_size: int,
    presample_epochs: int = 2,
    seed: int = 0,
    sampler: str = "neighbour",
    *,
    write: Write,
    progress: Progress = no_progress,
) -> Partition:
    """Return the partition from its file, or make it and write the file.

    A user's own map is not copied: it is read where it stands.

    Args:
        folder: Where files are kept; it need not be there.
        graph: As the options that follow, see `partition`.
        method: Likewise.
        parts: Likewise.
        fanouts: Likewise.
        batch_size: Likewise.
        presample_epochs: Likewise.
        seed: Likewise.
        sampler: Likewise.
        write: Writes a file whole or not at all, given its path and what fills the open file:
            ``fulmen.write_artifact``.
        progress: Shows the pre-sampling.

    Raises:
        PartitionError: as `partition`; or the file is damaged.
    """
    require_options(graph, method, parts, batch_size, presample_epochs, sampler)
    options = (method, parts, fanouts, batch_size, presample_epochs, seed, sampler)
    if method not in METHODS:
        return partition(graph, *options, progress=progress)
    path = cache_path(folder, graph, *options)
    if path.exists():
        found = load_partition(path)
        found.verify(graph, parts, str(path))
        return found
    made = partition(graph, *options, progress=progress)
    save_partition(made, path, write)
    return made
