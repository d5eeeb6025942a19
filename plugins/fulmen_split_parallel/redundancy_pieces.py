"""The planner's pieces of work: each plain data in and out, for `AnalysisContext.map`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from fulmen import write_artifact
from fulmen.errors import DataError
from fulmen_split_parallel.graph.folder import load_graph
from fulmen_split_parallel.partition.cache import cache_path
from fulmen_split_parallel.partition.errors import PartitionError
from fulmen_split_parallel.partition.make import METHODS, partition_from
from fulmen_split_parallel.partition.partition import load_partition, save_partition
from fulmen_split_parallel.partition.presampling import Counts, presample
from fulmen_split_parallel.planning.errors import PlanError
from fulmen_split_parallel.planning.network_shape import NetworkShape
from fulmen_split_parallel.planning.probing import measured_rates
from fulmen_split_parallel.planning.steps import data_parallel_work, split_work
from fulmen_split_parallel.sampling.samplers import SAMPLERS
from fulmen_split_parallel.sampling.seeds import seed_batches


class Bench:
    """What the pieces share: the graph, how it is sampled, and what pre-sampling counted.

    Args:
        folder: The graph folder.
        recipe: ``fanouts``, ``batch_size``, ``seed``, ``presample_epochs``, and ``graph``, a name of the
            topology and the training vertices that tells pieces of another graph apart.
    """

    def __init__(self, folder: str, recipe: Mapping[str, Any]) -> None:
        self.graph = load_graph(folder, check_features=False)
        self.recipe = recipe
        self._samplers = {name: make(self.graph) for name, make in SAMPLERS.items()}
        self._counts: dict[str, Counts] = {}

    def sampler(self, name: str) -> Any:
        """Return the sampler of this name."""
        return self._samplers[name]

    def counts(self, name: str) -> Counts | None:
        """Return what pre-sampling with a sampler counts; None where no epochs are pre-sampled."""
        recipe = self.recipe
        if not recipe["presample_epochs"]:
            return None
        if name not in self._counts:
            self._counts[name] = presample(
                self.sampler(name),
                recipe["fanouts"],
                recipe["batch_size"],
                recipe["presample_epochs"],
                recipe["seed"],
            )
        return self._counts[name]


def make_partition(bench: Bench, item: Mapping[str, Any]) -> str:
    """Partition by one method for one number of parts; return the file.

    Args:
        bench: What pieces share.
        item: ``sampler``, ``method``, ``parts``, and ``folder`` for the file.
    """
    recipe = bench.recipe
    options = (
        item["method"],
        item["parts"],
        recipe["fanouts"],
        recipe["batch_size"],
        recipe["presample_epochs"],
        recipe["seed"],
        item["sampler"],
    )
    if item["method"] in METHODS:
        path = cache_path(item["folder"], bench.graph, *options)
    else:  # a user's own map
        own = Path(item["method"])
        place = hashlib.blake2b(str(own.resolve()).encode(), digest_size=4).hexdigest()
        path = Path(item["folder"]) / f"own-{own.stem}-{place}-{item['parts']}-{item['sampler']}.npz"
    try:
        made = partition_from(bench.graph, bench.counts(item["sampler"]), *options)
    except PartitionError as error:
        raise DataError(f"redundancy: {error}.") from error
    save_partition(made, path, write_artifact)
    return str(path)


def count_steps(bench: Bench, item: Mapping[str, Any]) -> dict[str, Any]:
    """Count some mini-batches for one number of parts, in data parallel and split by each partition.

    Args:
        bench: What pieces share.
        item: ``sampler``, ``parts``, ``first`` and ``count`` of mini-batches, ``partitions`` (name to file).

    Returns:
        ``data_parallel``: a StepWork as plain data for each mini-batch; ``split``: these for each name.
    """
    recipe, sampler = bench.recipe, bench.sampler(item["sampler"])
    owners = {name: (load_partition(path).owner, item["parts"]) for name, path in item["partitions"].items()}
    data_parallel = []
    split: dict[str, list[Any]] = {name: [] for name in owners}
    batches = seed_batches(bench.graph.train_idx, recipe["batch_size"], seed=recipe["seed"], epoch=0)
    last = item["first"] + item["count"]
    for step, seeds in islice(enumerate(batches), item["first"], last):
        place = {"seed": recipe["seed"], "epoch": 0, "step": step}
        alone = data_parallel_work(sampler, seeds, recipe["fanouts"], item["parts"], **place)
        data_parallel.append(alone.plain())
        for name, work in split_work(sampler, seeds, recipe["fanouts"], owners, **place).items():
            split[name].append(work.plain())
    return {"data_parallel": data_parallel, "split": split}


def find_rates(bench: Bench, item: Mapping[str, Any]) -> dict[str, float]:
    """Measure how fast this machine is; kept as a piece, so that a resumed analysis says the same.

    Args:
        bench: What pieces share.
        item: ``sampler``, ``shape`` (of the network, as plain data), ``device``, ``given`` rates.
    """
    recipe = bench.recipe
    shape = NetworkShape(**{**item["shape"], "widths": tuple(item["shape"]["widths"])})
    try:
        rates = measured_rates(
            bench.sampler(item["sampler"]),
            shape,
            recipe["fanouts"],
            recipe["batch_size"],
            recipe["seed"],
            torch.device(item["device"]),
            dict(item["given"]),
        )
    except PlanError as error:
        raise DataError(f"redundancy: {error}.") from error
    return {name: float(value) for name, value in vars(rates).items()}
