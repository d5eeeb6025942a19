"""One process and several on the same mini-batches: what each loads, and whether they learn the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.nn import functional

from fulmen_split_parallel.cooperative.builder import BatchBuilder
from fulmen_split_parallel.cooperative.hot_rows import HotRows
from fulmen_split_parallel.cooperative.opening import open_transports
from fulmen_split_parallel.cooperative.plan import Planner
from fulmen_split_parallel.graph.folder import load_graph
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.networks.batch import GraphBatch
from fulmen_split_parallel.networks.single import batch_of
from fulmen_split_parallel.networks.stack import Stack, gat, gin, sage
from fulmen_split_parallel.sampling.mini_batch import sample_blocks
from fulmen_split_parallel.sampling.sampler import Sampler
from fulmen_split_parallel.sampling.samplers import SAMPLERS
from fulmen_split_parallel.sampling.seeds import seed_batches

NETWORKS: dict[str, Callable[[], Callable[[int, int, bool], nn.Module]]] = {
    "sage": sage,
    "gat": gat,
    "gin": gin,
}
_WIDTH = 64


@dataclass(frozen=True)
class Task:
    """What is compared.

    Attributes:
        folder: Of the graph.
        fanouts: Seeds' layer first.
        batch_size: Seeds of a mini-batch.
        seed: Of the run.
        sampler: ``neighbour`` or ``labor``.
        network: ``sage``, ``gat`` or ``gin``, with residuals and batch normalisation.
        steps: Mini-batches; each begins with the same weights.
    """

    folder: str
    fanouts: tuple[int, ...]
    batch_size: int
    seed: int = 0
    sampler: str = "neighbour"
    network: str = "sage"
    steps: int = 3


@dataclass(frozen=True)
class Comparison:
    """What came out, over all steps.

    Attributes:
        rows: Rows loaded by one process, by all ranks that split, and by as many that are data parallel.
        edges: Edges computed, likewise.
        exchanged: Rows that ranks that split received from each other.
        loss: Largest relative difference between the losses of one process and of the ranks that split.
        gradient: Largest relative difference of a parameter's gradient, by norm.
    """

    rows: tuple[int, int, int]
    edges: tuple[int, int, int]
    exchanged: int
    loss: float
    gradient: float


def compare(task: Task, owner: NDArray[np.integer], parts: int) -> Comparison:
    """Compute mini-batches in one process and in `parts` processes, in float64.

    Args:
        task: Which mini-batches and network.
        owner: (V,), the rank of each vertex.
        parts: Processes that split each mini-batch; they are started, and end again.
    """
    graph = load_graph(Path(task.folder), check_features=False)
    sampler = SAMPLERS[task.sampler](graph)
    alone = []
    rows, edges, dp_rows, dp_edges = 0, 0, 0, 0
    for step, seeds in _steps(task, graph):
        batch = _sampled(task, graph, sampler, seeds, step)
        rows, edges = rows + len(batch.inputs), edges + int(batch.counts["edges"])
        alone.append(_learnt(task, graph, batch))
        for rank in range(parts):
            share = _sampled(task, graph, sampler, np.ascontiguousarray(seeds[rank::parts]), step)
            dp_rows, dp_edges = dp_rows + len(share.inputs), dp_edges + int(share.counts["edges"])
    with tempfile.TemporaryDirectory(prefix="fulmen-compare-") as folder:
        np.save(Path(folder) / "owner.npy", owner)
        spawn = torch.multiprocessing.spawn
        spawn(_rank, (parts, task, folder), nprocs=parts)  # type: ignore[no-untyped-call]
        shared = torch.load(Path(folder) / "shared.pt", weights_only=True)
    counts = shared["counts"].tolist()
    pairs = list(zip(alone, shared["learnt"], strict=True))
    return Comparison(
        rows=(rows, int(counts[1]), dp_rows),
        edges=(edges, int(counts[0]), dp_edges),
        exchanged=int(counts[2]),
        loss=_worst(_apart(one[0], other[0]) for one, other in pairs),
        gradient=_worst(
            _apart(a, b) for one, other in pairs for a, b in zip(one[1:], other[1:], strict=True)
        ),
    )


def _steps(task: Task, graph: Graph) -> list[tuple[int, NDArray[np.int64]]]:
    batches = seed_batches(graph.train_idx, task.batch_size, seed=task.seed, epoch=0)
    return [(step, seeds) for step, seeds in zip(range(task.steps), batches, strict=False)]


def _sampled(task: Task, graph: Graph, sampler: Sampler, seeds: NDArray[np.int64], step: int) -> GraphBatch:
    blocks = sample_blocks(sampler, seeds, task.fanouts, seed=task.seed, epoch=0, step=step)
    return batch_of(graph, seeds, blocks, key=step)


def _learnt(task: Task, graph: Graph, batch: GraphBatch) -> list[Tensor]:
    """Return a rank's share of the loss, then of each parameter's gradient."""
    torch.manual_seed(0)
    convolution = NETWORKS[task.network]()
    sizes = (graph.num_features, _WIDTH, graph.num_classes, len(task.fanouts))
    network = Stack(convolution, *sizes, residual=True, norm="batch", dropout=0.1).double()
    batch.x = batch.x.double()
    assert batch.y is not None
    loss = batch.mean(functional.cross_entropy(network(batch), batch.y, reduction="none"))
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    return [loss.detach(), *gradients]


def _rank(rank: int, parts: int, task: Task, folder: str) -> None:
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    timeout = timedelta(minutes=5)
    distributed.init_process_group("gloo", store, timeout, world_size=parts, rank=rank)
    graph = load_graph(Path(task.folder), check_features=False)
    cpu = torch.device("cpu")
    transports = open_transports("auto", [list(range(parts))], cpu, timeout)
    planner = Planner(SAMPLERS[task.sampler](graph), np.load(f"{folder}/owner.npy"), transports.ids)
    builder = BatchBuilder(graph, planner, HotRows(graph.features), transports, 0, 1, parts)
    learnt, counts = [], torch.zeros(3)
    for step, seeds in _steps(task, graph):
        batch = builder.build(seeds, list(task.fanouts), seed=task.seed, epoch=0, step=step, key=step)
        numbers = [batch.counts[name] for name in ("edges", "input_rows", "shuffled_rows")]
        counts = counts + torch.tensor(numbers, dtype=torch.float64)
        learnt.append([_averaged(share, parts) for share in _learnt(task, graph, batch)])
    distributed.all_reduce(counts)
    if rank == 0:
        torch.save({"learnt": learnt, "counts": counts}, f"{folder}/shared.pt")
    transports.close()
    distributed.barrier()
    distributed.destroy_process_group()


def _averaged(share: Tensor, parts: int) -> Tensor:
    # What Lightning's ddp does with gradients.
    total = share.clone()
    distributed.all_reduce(total)
    return total / parts


def _apart(one: Tensor, other: Tensor) -> float:
    # By norm: single entries may truly be 0. A gradient that is 0 but for rounding (a bias before batch
    # normalisation) is compared to 1.
    size = float(one.norm())
    return float((one - other).norm()) / (size if size > 1e-9 else 1.0)


def _worst(differences: Iterable[float]) -> float:
    return float(np.max(list(differences)))  # Python's max may pass over NaN


def ratio(counted: Sequence[int]) -> tuple[float, float]:
    """Return how often the split ranks, and the data-parallel ones, did what one process did once."""
    one, split, parallel = counted
    return split / one, parallel / one
