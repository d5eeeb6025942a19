"""What each rank has to do for a mini-batch, counted exactly from one sample of it.

The sample of a vertex depends on the vertex alone, so the ranks' blocks are the one-process blocks cut by
the owners of their destinations. Hence any number of ranks can be counted in one process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fulmen_split_parallel.sampling.block import Block


@dataclass(frozen=True, eq=False)
class Shares:
    """The parts of a mini-batch that fall to P ranks, in L layers; the input's layer first.

    Attributes:
        destinations: int64 (L, P): vertices that each rank computes.
        edges: int64 (L, P): in-edges that it aggregates.
        sources: int64 (L, P): distinct rows that it needs for them, its destinations among them.
        remote_edges: int64 (L, P): edges of those whose source another rank owns.
        pulled: int64 (L, P, P): distinct rows that rank [l, from] sends to [l, to]; 0 on the diagonal.
        inputs: int64 (P,): feature rows that each rank loads; they are disjoint.
    """

    destinations: NDArray[np.int64]
    edges: NDArray[np.int64]
    sources: NDArray[np.int64]
    remote_edges: NDArray[np.int64]
    pulled: NDArray[np.int64]
    inputs: NDArray[np.int64]

    @property
    def shuffled_rows(self) -> int:
        """Rows that cross ranks on the way forward, all layers together; what comes home not included."""
        return int(self.pulled.sum())

    @property
    def cut(self) -> float:
        """The share of the edges whose source another rank owns; 0 where there are no edges."""
        return float(self.remote_edges.sum() / max(1, self.edges.sum()))

    @property
    def imbalance(self) -> float:
        """The most edges of a rank over the mean of the ranks; 1 where there are no edges."""
        of_rank = self.edges.sum(axis=0)
        return float(of_rank.max() / of_rank.mean()) if of_rank.any() else 1.0


def shares(blocks: Sequence[Block], owner: NDArray[Any], parts: int) -> Shares:
    """Cut a mini-batch by the owners of its vertices.

    Args:
        blocks: The layers, the input's first.
        owner: unsigned integers (V,), below `parts`.
        parts: P.
    """
    layers = len(blocks)
    destinations, edges, sources, remote = (np.zeros((layers, parts), np.int64) for _ in range(4))
    pulled = np.zeros((layers, parts, parts), np.int64)
    for layer, block in enumerate(blocks):
        owners = owner[block.sources]
        # Rank by rank, so that one mark a source tells whether this rank has seen it.
        order = np.argsort(owners[: block.num_destinations], kind="stable")
        destinations[layer] = np.bincount(owners[: block.num_destinations], minlength=parts)
        _count(
            order,
            block.indptr,
            block.indices,
            owners,
            edges[layer],
            sources[layer],
            remote[layer],
            pulled[layer],
        )
    inputs = np.bincount(owner[blocks[0].sources], minlength=parts)
    return Shares(destinations, edges, sources + destinations, remote, pulled, inputs)


@njit(cache=True, nogil=True)
def _count(
    order: NDArray[np.int64],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int64],
    owners: NDArray[Any],
    edges: NDArray[np.int64],
    further: NDArray[np.int64],
    remote: NDArray[np.int64],
    pulled: NDArray[np.int64],
) -> None:
    total = len(order)
    seen_by = np.full(len(owners), -1, np.int32)
    for d in order:
        rank = np.int64(owners[d])
        edges[rank] += indptr[d + 1] - indptr[d]
        for e in range(indptr[d], indptr[d + 1]):
            source = indices[e]
            whose = np.int64(owners[source])
            remote[rank] += whose != rank
            if seen_by[source] != rank:
                seen_by[source] = rank
                if whose != rank:
                    pulled[whose, rank] += 1
                    further[rank] += 1
                elif source >= total:  # its own destinations are counted already
                    further[rank] += 1
