"""Inference over the whole graph, one layer at a time, from all in-edges.

Sampling anew for each mini-batch computes a vertex's hidden row as often as someone needs it. Here each
row of each layer is computed once. Rows of a layer are written to a file without a name, which the next
layer reads through a memory map: a process holds one chunk in its own memory, whatever the graph's size.

Source: Hamilton et al., NeurIPS 2017 (arXiv:1706.02216), appendix A, for the layers; the layer-wise loop
is that of DGL's and PyG's examples.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.networks.batch import GraphLayer
from fulmen_split_parallel.networks.errors import NetworkError
from fulmen_split_parallel.networks.network import GraphNetwork
from fulmen_split_parallel.networks.single import layer_of
from fulmen_split_parallel.sampling.sampler import Sampler

CHUNK_EDGES = 1 << 17


@dataclass(frozen=True)
class Chunk:
    """Some destinations of a layer, with all their in-edges.

    Attributes:
        start: The first of this rank's rows that it computes.
        stop: One after the last; both are the same on a rank that has no more to do.
        inputs: int64, this rank's rows of the layer below that ``layer.exchange`` takes.
        layer: The edges.
    """

    start: int
    stop: int
    inputs: NDArray[np.int64]
    layer: GraphLayer


class WholeGraph(Protocol):
    """The vertices that a rank computes, in chunks.

    Attributes:
        vertices: int64 (R,), ids in the whole graph, ascending: those of this rank's rows.
    """

    vertices: NDArray[np.int64]

    def chunks(self) -> Iterator[Chunk]:
        """Yield chunks whose destinations are the rows 0 to R - 1; as many on each rank as on all."""
        ...

    def features(self, rows: NDArray[np.int64] | slice) -> Tensor:
        """Return features of some of this rank's rows, float (n, F)."""
        ...


class OneProcess:
    """The whole graph in one process.

    Args:
        graph: All vertices and edges.
        sampler: Anyone that takes all in-edges for a fan-out of -1.
        chunk_edges: Edges and vertices of a chunk, at most; a vertex with more in-edges is a chunk alone.
    """

    def __init__(self, graph: Graph, sampler: Sampler, chunk_edges: int = CHUNK_EDGES) -> None:
        self.graph = graph
        self.sampler = sampler
        self.chunk_edges = chunk_edges
        self.vertices = np.arange(graph.num_vertices)

    def chunks(self) -> Iterator[Chunk]:
        """Yield all vertices, in order."""
        for start, stop in chunk_bounds(self.graph, self.vertices, self.chunk_edges):
            block = self.sampler.sample(self.vertices[start:stop], -1, seed=0, epoch=0, step=0, layer=0)
            yield Chunk(start, stop, block.sources, layer_of(block, self.graph))

    def features(self, rows: NDArray[np.int64] | slice) -> Tensor:
        """Return features, float32 (n, F)."""
        return torch.from_numpy(np.array(self.graph.features[rows], dtype=np.float32))


def chunk_bounds(graph: Graph, vertices: NDArray[np.int64], chunk_edges: int) -> Iterator[tuple[int, int]]:
    """Yield where chunks of vertices start and stop, so that none has more edges and vertices than said."""
    ends = np.cumsum(graph.indptr[vertices + 1] - graph.indptr[vertices] + 1)
    start = 0
    while start < len(vertices):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + chunk_edges, side="right")), start + 1)
        yield start, stop
        start = stop


class Rows:
    """Rows of one layer in a nameless file, which is gone when nobody looks at it any more.

    Args:
        count: How many.
        width: Of a row.
        dtype: float32 or float64; narrower rows are widened.
        folder: Where the file is; None: the system's folder for temporary files.
    """

    def __init__(self, count: int, width: int, dtype: torch.dtype, folder: Path | None) -> None:
        self.dtype = dtype
        self._stored = torch.float64 if dtype == torch.float64 else torch.float32
        kind = np.float64 if dtype == torch.float64 else np.float32
        self._rows: NDArray[Any]
        if count * width == 0:  # a map cannot be empty
            self._rows = np.empty((count, width), kind)
            return
        with tempfile.TemporaryFile(dir=folder, prefix="fulmen-rows-") as file:
            self._rows = np.memmap(file, kind, "w+", shape=(count, width))

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> Tensor:
        """Return some rows, copied."""
        return torch.from_numpy(np.array(self._rows[rows])).to(self.dtype)

    def __setitem__(self, rows: slice, values: Tensor) -> None:
        """Write some rows."""
        self._rows[rows] = values.detach().to(
            "cpu", torch.float64 if self._rows.itemsize == 8 else torch.float32
        )

    def __len__(self) -> int:
        return len(self._rows)


@torch.no_grad()
def infer(network: GraphNetwork, whole: WholeGraph, *, folder: Path | None = None) -> Rows:
    """Return the scores of this rank's vertices, from all in-edges of every layer.

    Its own memory is that of one chunk: at most ``chunk_edges`` rows of sources, of the widest layer, and
    what the convolution makes of them (for attention, some numbers per edge and head). On disk are two
    layers' rows, with jumping knowledge all layers'. All ranks of a group call it together.

    Args:
        network: In evaluation mode, on any device. Parameters decide the precision.
        whole: What this rank computes.
        folder: For the rows; None: the system's folder for temporary files.

    Returns:
        Rows (R, classes), one for each of ``whole.vertices``.

    Raises:
        NetworkError: the network has a ``forward`` of its own, whose layers nobody knows.
    """
    if type(network).forward is not GraphNetwork.forward:
        raise NetworkError(
            f"{type(network).__name__} has a forward of its own; expected none, for inference layer by "
            "layer: override layer, project and readout alone, or set inference: sampled."
        )
    parameter = next(network.parameters(), torch.empty(0))
    place: dict[str, Any] = {"device": parameter.device, "dtype": parameter.dtype}
    below: Rows | _Features = _Features(whole)
    levels: list[Rows | _Features] = []
    for index in range(len(network.convolutions)):
        made: Rows | None = None
        for chunk in whole.chunks():
            own = below[slice(chunk.start, chunk.stop)].to(**place)
            rows = network.project(index, below[chunk.inputs].to(**place))
            layer = _in(chunk.layer, parameter)
            new = network.layer(index, layer.exchange(rows), own, layer)
            if made is None:
                made = Rows(len(whole.vertices), new.shape[1], new.dtype, folder)
            made[chunk.start : chunk.stop] = new
        assert made is not None  # no graph has no vertex
        below = made
        levels = [*levels, made] if network.jumps else [made]
    return _scores(network, levels or [below], len(whole.vertices), place, folder)


def _scores(
    network: GraphNetwork, levels: list[Any], count: int, place: dict[str, Any], folder: Path | None
) -> Rows:
    scores: Rows | None = None
    for start in range(0, max(count, 1), CHUNK_EDGES):
        part = slice(start, min(start + CHUNK_EDGES, count))
        read = network.readout([level[part].to(**place) for level in levels])
        if scores is None:
            scores = Rows(count, read.shape[1], read.dtype, folder)
        scores[part] = read
    assert scores is not None
    return scores


class _Features:
    """The rows below the first layer."""

    def __init__(self, whole: WholeGraph) -> None:
        self._whole = whole

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> Tensor:
        return self._whole.features(rows)


def _in(layer: GraphLayer, parameter: Tensor) -> GraphLayer:
    moved = layer.to(parameter.device)
    if moved.edge_weight is not None:
        moved.edge_weight = moved.edge_weight.to(parameter.dtype)
    return moved
