"""Makes a partition by any of the methods."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.partition.errors import PartitionError
from fulmen_split_parallel.partition.hashing import hashed
from fulmen_split_parallel.partition.metis import metis
from fulmen_split_parallel.partition.partition import MOST_PARTS, Partition, checked_owner, load_partition
from fulmen_split_parallel.partition.presampling import Counts, Progress, no_progress, presample
from fulmen_split_parallel.partition.restreaming import restream
from fulmen_split_parallel.partition.weighted_graph import weighted_graph
from fulmen_split_parallel.sampling.samplers import SAMPLERS

METHODS = ("restreaming", "metis", "hash")


def partition(
    graph: Graph,
    method: str,
    parts: int,
    fanouts: Sequence[int],
    batch_size: int,
    presample_epochs: int = 2,
    seed: int = 0,
    sampler: str = "neighbour",
    progress: Progress = no_progress,
) -> Partition:
    """Decide which part owns which vertex.

    Args:
        graph: What to partition.
        method: ``restreaming``, ``metis``, ``hash``, or a file: a ``.npy`` with one integer a vertex, or an
            ``.npz`` that `save_partition` wrote.
        parts: P, 1 to 65,535, at most one a vertex.
        fanouts: Of the training, seeds' layer first.
        batch_size: Global, of the training.
        presample_epochs: Epochs sampled ahead, for the weights and the hottest rows; 0: weights are those of
            the whole graph (each edge once, each vertex by its in-degree).
        seed: Of everything drawn.
        sampler: ``neighbour`` or ``labor``, as the training.
        progress: Shows the pre-sampling.

    Raises:
        PartitionError: the graph cannot be partitioned so, or a file does not fit it.
    """
    require_options(graph, method, parts, batch_size, presample_epochs, sampler)
    counts = None
    if presample_epochs:
        drawing = SAMPLERS[sampler](graph)
        counts = presample(drawing, fanouts, batch_size, presample_epochs, seed, progress)
    return partition_from(graph, counts, method, parts, fanouts, batch_size, presample_epochs, seed, sampler)


def partition_from(
    graph: Graph,
    counts: Counts | None,
    method: str,
    parts: int,
    fanouts: Sequence[int],
    batch_size: int,
    presample_epochs: int,
    seed: int,
    sampler: str = "neighbour",
) -> Partition:
    """Partition by counts that are there already: `partition` without its pre-sampling.

    Raises:
        PartitionError: as `partition`.
    """
    if method not in METHODS:
        owner = _of_file(Path(method), graph, parts)
    elif method == "hash":
        owner = hashed(graph.num_vertices, parts, seed)
    else:
        edges = np.ones(graph.num_edges, np.int64) if counts is None else counts.edges
        work = np.diff(graph.indptr) if counts is None else counts.work
        weighted = weighted_graph(np.asarray(graph.indptr), np.asarray(graph.indices), edges, work)
        owner = metis(weighted, parts) if method == "metis" else restream(weighted, parts)
    if method in METHODS:
        owner = _without_empty_parts(owner, parts)
    recipe = recipe_of(method, fanouts, batch_size, presample_epochs, seed, sampler)
    inputs = None if counts is None else counts.inputs.astype(np.uint32)
    return Partition(owner, parts, graph.fingerprint(), recipe, inputs)


def compile_for(graph: Graph) -> None:
    """Partition a ring with arrays of this graph's kind, so that numba has compiled what is timed."""
    size = 1000  # enough for clusters of it to be made
    indptr = np.arange(0, 2 * size + 1, 2)
    indices = ((np.arange(2 * size) // 2 + np.tile([1, -1], size)) % size).astype(graph.indices.dtype)
    for array, like in ((indptr, graph.indptr), (indices, graph.indices)):
        array.flags.writeable = like.flags.writeable  # numba compiles for each
    weighted = weighted_graph(indptr, indices, np.ones(2 * size, np.int64), np.full(size, 2))
    restream(weighted, 2)


def recipe_of(
    method: str, fanouts: Sequence[int], batch_size: int, presample_epochs: int, seed: int, sampler: str
) -> dict[str, Any]:
    """Return as plain data what a partition depends on beside graph and parts."""
    return {
        "method": method,
        "fanouts": [int(fanout) for fanout in fanouts],
        "batch_size": batch_size,
        "presample_epochs": presample_epochs,
        "seed": seed,
        "sampler": sampler,
    }


def require_options(
    graph: Graph, method: str, parts: int, batch_size: int, presample_epochs: int, sampler: str
) -> None:
    """Refuse what makes no sense, before any work.

    Raises:
        PartitionError: the first such option.
    """
    if method not in METHODS and Path(method).suffix not in (".npy", ".npz"):
        raise PartitionError(
            f"partitioner {method!r}: expected {', '.join(METHODS)}, or a .npy or .npz file with the part of "
            "each vertex"
        )
    if not 1 <= parts <= MOST_PARTS:
        raise PartitionError(f"parts is {parts}; expected 1 to {MOST_PARTS}")
    if parts > graph.num_vertices:
        raise PartitionError(
            f"parts is {parts}, but the graph has {graph.num_vertices} vertices; each part needs one at "
            "least: use fewer"
        )
    if batch_size < 1:
        raise PartitionError(f"batch_size is {batch_size}; expected 1 or more")
    if presample_epochs < 0:
        raise PartitionError(f"presample_epochs is {presample_epochs}; expected 0 or more")
    if presample_epochs and not len(graph.train_idx):
        raise PartitionError(
            "presample_epochs: the graph has no training vertices to sample from; set presample_epochs to 0, "
            "or give it some"
        )
    if sampler not in SAMPLERS:
        raise PartitionError(f"sampler is {sampler!r}; expected {' or '.join(SAMPLERS)}")


def _of_file(path: Path, graph: Graph, parts: int) -> NDArray[Any]:
    if path.suffix == ".npz":
        found = load_partition(path)
        found.verify(graph, parts, str(path))
        return found.owner
    try:
        owner = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise PartitionError(
            f"{path}: no such file; expected a .npy file with the part of each vertex"
        ) from None
    except (OSError, EOFError, ValueError) as error:
        raise PartitionError(
            f"{path}: not a whole .npy file of numbers ({next(iter(str(error).splitlines()), '')}): write it "
            "again with numpy.save"
        ) from None
    if not isinstance(owner, np.ndarray):
        raise PartitionError(f"{path}: an .npz archive; expected one array, as numpy.save writes it")
    if owner.ndim == 1 and len(owner) != graph.num_vertices:
        raise PartitionError(
            f"{path}: maps {len(owner)} vertices, the graph has {graph.num_vertices}; expected one part "
            "a vertex"
        )
    return checked_owner(owner, parts, str(path))


def _without_empty_parts(owner: NDArray[Any], parts: int) -> NDArray[Any]:
    """Give each empty part a vertex of the largest (graphs of a few vertices leave parts empty)."""
    sizes = np.bincount(owner, minlength=parts)
    for part in np.flatnonzero(sizes == 0):
        largest = int(np.argmax(sizes))
        owner[np.flatnonzero(owner == largest)[-1]] = part
        sizes[largest] -= 1
        sizes[part] += 1
    return owner
