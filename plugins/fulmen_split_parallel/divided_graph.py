"""The whole graph for inference layer by layer, divided over data-parallel ranks."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed

from fulmen_split_parallel.cooperative.lookahead import Lookahead
from fulmen_split_parallel.cooperative.opening import open_transports
from fulmen_split_parallel.cooperative.plan import Planner
from fulmen_split_parallel.cooperative.whole_graph import SharedWholeGraph
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.networks import GraphNetwork
from fulmen_split_parallel.networks.layerwise import CHUNK_EDGES, Rows, infer
from fulmen_split_parallel.sampling.sampler import Sampler


class DividedGraph:
    """Each rank computes the vertices of a range of ids, with about as many edges as any other's.

    There is no partition to follow in data parallel, and no need to make one: rows cross ranks once in each
    layer, over all of the graph. All ranks of the run make one together.

    Args:
        graph: The same on all ranks.
        sampler: Anyone that takes all in-edges for a fan-out of -1.
        timeout: For which other ranks are waited for.

    Attributes:
        graph: As given.
        vertices: int64 (V,), whose scores a rank ends with: all.
    """

    def __init__(self, graph: Graph, sampler: Sampler, timeout: timedelta = timedelta(minutes=30)) -> None:
        size = distributed.get_world_size()
        self.graph, self.vertices = graph, np.arange(graph.num_vertices)
        owner = ranges_of_ranks(graph, size)
        self._starts = np.searchsorted(owner, np.arange(size + 1))
        self._transports = open_transports("auto", [list(range(size))], torch.device("cpu"), timeout)
        self._lookahead = Lookahead()
        planner = Planner(sampler, owner, self._transports.ids)
        self._own = SharedWholeGraph(planner, self._transports.rows, self._lookahead)

    def infer(self, network: GraphNetwork, folder: Path | None = None) -> Rows:
        """Return the scores of all vertices, (V, classes), at every rank; see `layerwise.infer`. Collective.

        On disk is besides a file with the scores of all vertices.
        """
        return self._gathered(infer(network, self._own, folder=folder), folder)

    def close(self) -> None:
        """Let go of the ways between ranks."""
        self._lookahead.close()
        self._transports.close()

    def _gathered(self, own: Rows, folder: Path | None) -> Rows:
        rows, starts = self._transports.rows, self._starts
        lengths = np.diff(starts)
        everyones = Rows(len(self.vertices), own[0:0].shape[1], own.dtype, folder)
        for start in range(0, int(lengths.max()), CHUNK_EDGES):
            counts = np.clip(lengths - start, 0, CHUNK_EDGES).tolist()
            count = counts[rows.rank]
            part = own[start : start + count]
            send = [count * (other != rows.rank) for other in range(rows.size)]
            receive = [given * (other != rows.rank) for other, given in enumerate(counts)]
            out = part.new_empty((sum(receive), part.shape[1]))
            rows.exchange(part, torch.arange(count).repeat(rows.size - 1), send, out, receive)
            pieces = list(torch.split(out, receive))
            pieces[rows.rank] = part
            for first, piece in zip(starts, pieces, strict=False):
                everyones[first + start : first + start + len(piece)] = piece
        return everyones


def ranges_of_ranks(graph: Graph, ranks: int) -> NDArray[np.uint16]:
    """Return the rank of each vertex, ascending, so that ranks have about as many edges and vertices."""
    work = graph.indptr[1:] + np.arange(1, graph.num_vertices + 1)
    owner: NDArray[np.uint16] = ((work - 1) * ranks // work[-1]).astype(np.uint16)
    return owner
