"""A mini-batch of one process, from the blocks that a sampler drew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fulmen_split_parallel.networks.batch import GraphBatch, GraphLayer

if TYPE_CHECKING:
    from fulmen_split_parallel.graph.graph import Graph
    from fulmen_split_parallel.sampling.block import Block


def layer_of(block: Block, graph: Graph) -> GraphLayer:
    """Return a block as a layer, with its edges' weights and its sources' degrees in the whole graph."""
    weight = None if graph.edge_weight is None else torch.from_numpy(graph.edge_weight[block.edge_ids])
    degrees = graph.indptr[block.sources + 1] - graph.indptr[block.sources]
    return GraphLayer(
        sources=torch.from_numpy(block.sources),
        num_destinations=block.num_destinations,
        indptr=torch.from_numpy(block.indptr),
        indices=torch.from_numpy(block.indices),
        edge_weight=weight,
        degrees=torch.from_numpy(degrees),
    )


def batch_of(
    graph: Graph,
    seeds: np.ndarray,
    blocks: Sequence[Block],
    *,
    key: int = 0,
    gather: Callable[[np.ndarray], Tensor] | None = None,
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
