"""GCN's convolution, with the degrees of the whole graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fulmen_split_parallel.networks.batch import GraphLayer
from fulmen_split_parallel.networks.convolution import LayerConvolution, or_one, sum_of_sources
from fulmen_split_parallel.networks.errors import NetworkError


class DegreeConvolution(LayerConvolution):
    """GCN on blocks: ``lin(sum over in-neighbours u and v itself of h_u / sqrt((d_u + 1) (d_v + 1)))``.

    d is the in-degree in the whole graph, weighted where edges have weights, so that a vertex means the
    same in every mini-batch and on every rank; PyG's GCNConv counts the edges it sees. Where k of d_v
    in-edges were sampled, their sum is scaled by d_v / k: its expectation is the sum over all. (Where edges
    have weights, k is the sum of the sampled ones.)

    Args:
        in_channels: Width of a source's row.
        out_channels: Width of a destination's new row.

    Source: Kipf and Welling, ICLR 2017 (arXiv:1609.02907), equation 2; PyG's GCNConv, whose
    parameters it shares.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        nn.init.xavier_uniform_(self.lin.weight)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, sources: Tensor, layer: GraphLayer) -> Tensor:
        """Return rows of the destinations, (D, out_channels)."""
        if layer.degrees is None:
            raise NetworkError(
                "DegreeConvolution: the layer has no degrees; expected those of the whole graph: "
                "use the data module split_parallel.graph, or set GraphLayer.degrees."
            )
        degrees = layer.degrees.to(sources.dtype)
        scaled = sources * (degrees + 1).rsqrt()[:, None]
        ends = degrees[: layer.num_destinations]
        seen = sum_of_sources(torch.ones_like(sources[:, :1]), layer, layer.edge_weight)
        neighbours = sum_of_sources(scaled, layer, layer.edge_weight) * (ends[:, None] / or_one(seen))
        rows: Tensor = self.lin((neighbours + scaled[: len(ends)]) * (ends + 1).rsqrt()[:, None])
        return rows + self.bias
