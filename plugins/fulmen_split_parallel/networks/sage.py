"""GraphSAGE's convolution."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from fulmen_split_parallel.networks.batch import GraphLayer
from fulmen_split_parallel.networks.convolution import LayerConvolution, or_one, sum_of_sources
from fulmen_split_parallel.networks.errors import NetworkError
from fulmen_split_parallel.networks.neighbours import in_pieces, mean_and_own


class SageConvolution(LayerConvolution):
    """GraphSAGE: ``lin_l(aggregate of in-neighbours) + lin_r(own row)``.

    Where edges have weights, the mean is the weighted one, 0 where the weights add up to 0; the maximum
    does not look at them. A vertex without in-edges has an aggregate of 0.

    Args:
        in_channels: Width of a source's row.
        out_channels: Width of a destination's new row.
        aggregation: ``mean`` or ``max``. Among equal largest entries, the first takes the gradient.

    Source: Hamilton et al., NeurIPS 2017 (arXiv:1706.02216), algorithm 2; PyG's SAGEConv without
    normalisation, whose parameters it shares.
    """

    def __init__(
        self, in_channels: int, out_channels: int, aggregation: Literal["mean", "max"] = "mean"
    ) -> None:
        super().__init__()
        if aggregation not in ("mean", "max"):
            raise NetworkError(f"aggregation is {aggregation!r}; expected mean or max.")
        self.aggregation = aggregation
        self.lin_l = nn.Linear(in_channels, out_channels)
        self.lin_r = nn.Linear(in_channels, out_channels, bias=False)

    def pull(self, rows: Tensor, layer: GraphLayer) -> Tensor:
        """Return rows of the destinations, (D, out_channels), from rows where their owners have them."""
        plain = self.aggregation == "mean" and layer.edge_weight is None and rows.requires_grad
        if plain and in_pieces(layer) and not torch.compiler.is_compiling():
            neighbours, own, finish = mean_and_own(rows, layer)
            of_own = self.lin_r(own)  # while others' rows are on their way
            finish()
            pulled: Tensor = of_own + self.lin_l(neighbours)
            return pulled
        # Features, for instance, whose exchange needs no gradient.
        arriving = layer.begin(rows)
        new: Tensor = self.lin_r(layer.own(rows)) + self.lin_l(self._neighbours(arriving(), layer))
        return new

    def forward(self, sources: Tensor, layer: GraphLayer) -> Tensor:
        """Return rows of the destinations, (D, out_channels)."""
        neighbours = self._neighbours(sources, layer)
        rows: Tensor = self.lin_l(neighbours) + self.lin_r(sources[: layer.num_destinations])
        return rows

    def _neighbours(self, sources: Tensor, layer: GraphLayer) -> Tensor:
        if self.aggregation == "mean" and layer.edge_weight is not None:
            total = sum_of_sources(torch.ones_like(sources[:, :1]), layer, layer.edge_weight)
            return sum_of_sources(sources, layer, layer.edge_weight) / or_one(total)
        return functional.embedding_bag(
            layer.indices, sources, layer.indptr, mode=self.aggregation, include_last_offset=True
        )
