"""A mini-batch of one process, from the blocks that a sampler drew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.networks.batch import GraphBatch, GraphLayer
from fulmen_split_parallel.sampling.block import Block


def layer_of(block: Block, graph: Graph) -> GraphLayer:
    """Return a block as a layer, with its edges' weights and its sources' degrees in the whole graph."""
    weight = None if graph.edge_weight is None else torch.from_numpy(graph.edge_weight[block.edge_ids])
    return GraphLayer(
        sources=torch.from_numpy(block.sources),
        num_destinations=block.num_destinations,
        indptr=torch.from_numpy(block.indptr),
        indices=torch.from_numpy(block.indices),
        edge_weight=weight,
        degrees=torch.from_numpy(degrees_of(graph, block.sources)),
    )


_weighted_degrees: WeakKeyDictionary[Graph, NDArray[Any]] = WeakKeyDictionary()


def degrees_of(graph: Graph, vertices: NDArray[Any]) -> NDArray[Any]:
    """Return the in-edges of vertices in the whole graph, int64, or the sums of their weights, float64."""
    if graph.edge_weight is None:
        counts: NDArray[Any] = graph.indptr[vertices + 1] - graph.indptr[vertices]
        return counts
    if graph not in _weighted_degrees:
        # A hub's edges are many: all sums at once, the first time, cost less than the frontier's each time.
        sums = np.concatenate([[0.0], np.cumsum(graph.edge_weight, dtype=np.float64)])
        _weighted_degrees[graph] = np.diff(sums[graph.indptr])
    sums_of_weights: NDArray[Any] = _weighted_degrees[graph][vertices]
    return sums_of_weights


def batch_of(
    graph: Graph,
    seeds: NDArray[Any],
    blocks: Sequence[Block],
    *,
    key: int = 0,
    gather: Callable[[NDArray[Any]], Tensor] | None = None,
) -> GraphBatch:
    """Return the mini-batch that one process computes by itself.

    Args:
        graph: Where features, labels and weights come from.
        seeds: int64 (N,), the destinations of the last block.
        blocks: From the inputs up. None at all: a batch of the seeds' features alone.
        key: Of the network's random draws; see ``GraphBatch``.
        gather: Returns the features of vertices as float32 (n, F); None: a plain look-up.
    """
    inputs = blocks[0].sources if blocks else seeds
    if gather is None:
        x = torch.from_numpy(np.asarray(graph.features[inputs], dtype=np.float32))
    else:
        x = gather(inputs)
    edges = sum(len(block.indices) for block in blocks)
    return GraphBatch(
        x=x,
        inputs=torch.from_numpy(inputs),
        layers=[layer_of(block, graph) for block in blocks],
        seeds=torch.from_numpy(seeds),
        y=torch.from_numpy(graph.labels[seeds]),
        num_seeds=len(seeds),
        key=key,
        counts={"edges": edges, "input_rows": len(inputs), "shuffled_rows": 0},
    )
