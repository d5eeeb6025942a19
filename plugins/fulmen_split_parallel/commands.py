"""The command ``fulmen split_parallel partition``: who owns what, decided ahead of time."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fulmen import progress, write_artifact
from fulmen.errors import ConfigError, DataError
from fulmen_split_parallel.graph_data import GraphData
from fulmen_split_parallel.partition.cache import cache_path
from fulmen_split_parallel.partition.errors import PartitionError
from fulmen_split_parallel.partition.make import METHODS, compile_for, partition_from, require_options
from fulmen_split_parallel.partition.partition import Partition, load_partition, save_partition
from fulmen_split_parallel.partition.presampling import Counts, presample
from fulmen_split_parallel.partition.quality import quality


def partition(
    data: GraphData | None = None,
    parts: int = 2,
    methods: list[str] = ["restreaming"],  # noqa: B006  (never changed)
    presample_epochs: int = 2,
    batches: int = 10,
    to: str | None = None,
) -> None:
    """Decide which rank owns which vertex, and print how good that is: cut, balance and seconds a method.

    The partition is kept where the strategy looks for it: a run on the same graph with the same fan-outs,
    batch size, sampler, seed, partitioner and number of ranks begins at once.

    Args:
        data: The graph and how it is sampled: --data split_parallel.graph --data.path FOLDER, with the
            fan-outs, batch size and seed (that of the run) of the training.
        parts: One for each rank that splits a mini-batch.
        methods: Of restreaming, metis, hash; or files, .npy or .npz, that are then only measured.
        presample_epochs: Epochs sampled ahead, for the weights of vertices and edges; 0: those of the whole
            graph.
        batches: Mini-batches of the first epoch that cut and balance are measured on.
        to: A file for the partition, to give the strategy as partitioner (.npz); one method alone. None:
            the data's cache.
    """
    if data is None:  # not a required parameter, for those become positional and cannot have options
        raise ConfigError("partition: no data is named; expected --data split_parallel.graph --data.path ...")
    _require(methods, batches, to)
    graph = data.graph
    sampler = data.make_sampler(graph)
    options = (data.fanouts, data.batch_size, presample_epochs, data.seed, data.sampler_name)
    counts: Counts | None = None
    rows: list[dict[str, Any]] = []
    compiled = False
    try:
        for method in methods:
            require_options(graph, method, parts, data.batch_size, presample_epochs, data.sampler_name)
        for method in progress(methods, "partitions"):
            path = Path(to) if to else cache_path(data.cache, graph, method, parts, *options)
            seconds = None
            if method in METHODS and to is None and path.exists():
                made = load_partition(path)
                made.verify(graph, parts, str(path))
            else:
                if presample_epochs and counts is None:
                    started = time.perf_counter()
                    counts = presample(
                        sampler, data.fanouts, data.batch_size, presample_epochs, data.seed, progress
                    )
                    _say(
                        f"pre-sampling: {counts.batches} mini-batches, {time.perf_counter() - started:.1f} s"
                    )
                if method in METHODS and not compiled:
                    compile_for(graph)
                    compiled = True
                started = time.perf_counter()
                made = partition_from(graph, counts, method, parts, *options)
                seconds = time.perf_counter() - started
                if method in METHODS or to:
                    save_partition(made, path, write_artifact)
            rows.append(_row(method, made, seconds, str(path) if method in METHODS or to else method))
            if len(graph.train_idx):
                measured = (parts, data.fanouts, data.batch_size, data.seed, batches)
                rows[-1] |= vars(quality(sampler, made.owner, *measured))
    except PartitionError as error:
        raise DataError(f"partition: {error}.") from error
    _say(_table(rows, parts))


def _require(methods: list[str], batches: int, to: str | None) -> None:
    if not methods:
        raise ConfigError(f"partition: methods is empty; expected some of {', '.join(METHODS)}: name one.")
    if batches < 1:
        raise ConfigError(f"partition: batches is {batches}; expected 1 or more: change it.")
    if to is not None and (len(methods) != 1 or Path(to).suffix != ".npz"):
        raise ConfigError(
            f"partition: to is {to!r} for {len(methods)} methods; expected a .npz file for one: name one "
            "method, or leave `to` out."
        )
    if to is not None:
        nearest = next(folder for folder in Path(to).absolute().parents if folder.exists())
        try:
            with tempfile.TemporaryFile(dir=nearest):
                pass
        except OSError as error:
            raise ConfigError(
                f"partition: to is {to!r}, but {nearest} cannot be written to ({error.strerror}); expected a "
                "folder of yours."
            ) from error


def _row(method: str, made: Partition, seconds: float | None, path: str) -> dict[str, Any]:
    return {"method": method, "seconds": seconds, "file": path, "digest": made.digest}


def _table(rows: list[dict[str, Any]], parts: int) -> str:
    """Return what was measured as a table for a terminal; files in lines of their own."""
    import pandas as pd

    table = pd.DataFrame(
        {
            "method": [row["method"] for row in rows],
            "parts": parts,
            "cut": [row.get("cut", float("nan")) for row in rows],
            "imbalance": [row.get("imbalance", float("nan")) for row in rows],
            "input_imbalance": [row.get("input_imbalance", float("nan")) for row in rows],
            "rows_pulled": [row.get("pulled", float("nan")) for row in rows],
            "seconds": ["kept" if row["seconds"] is None else f"{row['seconds']:.2f}" for row in rows],
        }
    )
    files = "\n".join(f"{row['method']}: {row['file']}" for row in rows)
    return f"{table.to_string(index=False, float_format='{:.3f}'.format, na_rep='-')}\n{files}"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
