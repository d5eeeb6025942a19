"""All layers of a mini-batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.graph.errors import GraphError
from fulmen_split_parallel.sampling.block import Block
from fulmen_split_parallel.sampling.sampler import Sampler


def sample_blocks(
    sampler: Sampler, seeds: NDArray[np.int64], fanouts: Sequence[int], *, seed: int, epoch: int, step: int
) -> list[Block]:
    """Sample layer by layer from the seeds outward, and give the layers from the input up.

    Every vertex of a layer is sampled anew, also one that a layer above has seen: these are blocks, as in
    DGL and GSplit, not one growing subgraph.

    Args:
        sampler: Draws one layer.
        seeds: int64 (D,), each vertex once.
        fanouts: In-edges for each vertex, the seeds' layer first; -1 takes all. None at all: no layers.
        seed: Of the run.
        epoch: Counted from 0.
        step: The global mini-batch's number within the epoch.

    Returns:
        Blocks, the input's first: ``blocks[0].sources`` are the rows to load, ``blocks[-1].destinations``
        the seeds.
    """
    require_fanouts(fanouts)
    blocks: list[Block] = []
    frontier = seeds
    for layer, fanout in enumerate(fanouts):
        block = sampler.sample(frontier, fanout, seed=seed, epoch=epoch, step=step, layer=layer)
        blocks.append(block)
        frontier = block.sources
    return blocks[::-1]


def require_fanouts(fanouts: Sequence[int]) -> None:
    """Refuse fan-outs that draw nothing.

    Raises:
        GraphError: one is neither -1 nor above 0.
    """
    if any(fanout != -1 and fanout < 1 for fanout in fanouts):
        raise GraphError(
            f"fanouts {list(fanouts)}: expected one number for each layer, 1 or more, or -1 for all in-edges"
        )
