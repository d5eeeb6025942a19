"""What a convolution on a layer's edges is, and its one sum: no row for each edge is ever made.

``embedding_bag`` gathers and reduces in one pass. That no tensor of shape (edges, width) comes into being
saves most of the time and memory of a convolution on a CPU. The convolutions here have the parameters of
PyG's, by name and shape, so that a checkpoint of either loads into the other.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fulmen_split_parallel.networks.batch import GraphLayer


class LayerConvolution(nn.Module):
    """A convolution that is given the layer itself, not only its ``edge_index``."""

    def project(self, rows: Tensor) -> Tensor:
        """Return what the owner of a vertex makes of its row before anyone else gets it; by default the row.

        Done here, it is done once for each vertex, not once for each rank that needs it.
        """
        return rows

    def pull(self, rows: Tensor, layer: GraphLayer) -> Tensor:
        """Return rows of the destinations, (D, width), from rows of the layer below where their owners have
        them.

        The same as to project, exchange and call the convolution; one that can do with less overrides it.
        """
        sources = layer.exchange(self.project(rows))
        pulled: Tensor = self(sources, layer)
        return pulled

    def forward(self, sources: Tensor, layer: GraphLayer) -> Tensor:
        """Return rows of the destinations, (D, width), from projected rows of the sources, (S, width)."""
        raise NotImplementedError


def sum_of_sources(rows: Tensor, layer: GraphLayer, weight: Tensor | None = None) -> Tensor:
    """Return for each destination the sum of its in-neighbours' rows, (D, width).

    Args:
        rows: float (S, width), of the sources.
        layer: Its E edges.
        weight: (E,), a factor of each edge, in the order of ``layer.indices``; None: 1.

    Returns:
        In the type of `rows`; where weights learn, at least in theirs: torch has no gradient of such weights
        in bfloat16 on a GPU.
    """
    if weight is not None and weight.requires_grad:
        rows = rows.to(torch.promote_types(rows.dtype, weight.dtype))
    return functional.embedding_bag(
        layer.indices,
        rows,
        layer.indptr,
        mode="sum",
        include_last_offset=True,
        per_sample_weights=None if weight is None else weight.to(rows.dtype),
    )


def or_one(sums: Tensor) -> Tensor:
    """Return divisors that are safe: 1 where a sum is 0."""
    return sums.where(sums != 0, 1)
