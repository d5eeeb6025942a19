"""The convolution of graph attention networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fulmen_split_parallel.networks.batch import GraphLayer
from fulmen_split_parallel.networks.convolution import LayerConvolution, sum_of_sources


class AttentionConvolution(LayerConvolution):
    """GAT: a mean of projected in-neighbours and the vertex itself, weighted by a softmax, for each head.

    ``alpha_uv`` is proportional to ``exp(leaky_relu(a_src . W h_u + a_dst . W h_v))``. The vertex itself
    takes part once; an edge from a vertex to itself is not counted besides. Where edges have weights w,
    ``alpha_uv`` is proportional to w times that: an edge of weight 2 counts as two.

    The owner of a vertex projects it, once; ranks exchange projected rows. Sums over edges are made head
    by head, without a row for each edge.

    Args:
        in_channels: Width of a vertex's row.
        out_channels: Width of a head.
        heads: How many.
        concat: Whether heads stand side by side in the new row, or are averaged.
        negative_slope: Of the leaky ReLU.

    Source: Velickovic et al., ICLR 2018 (arXiv:1710.10903), section 2.1; PyG's GATConv, whose
    parameters it shares.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        heads: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.concat = concat
        self.negative_slope = negative_slope
        self.lin = nn.Linear(in_channels, heads * out_channels, bias=False)
        self.att_src = nn.Parameter(torch.empty(1, heads, out_channels))
        self.att_dst = nn.Parameter(torch.empty(1, heads, out_channels))
        self.bias = nn.Parameter(torch.zeros(heads * out_channels if concat else out_channels))
        for weights in (self.lin.weight, self.att_src, self.att_dst):
            nn.init.xavier_uniform_(weights)

    def project(self, rows: Tensor) -> Tensor:
        """Return W h, (n, heads * out_channels)."""
        projected: Tensor = self.lin(rows)
        return projected

    def forward(self, sources: Tensor, layer: GraphLayer) -> Tensor:
        """Return rows of the destinations, (D, heads * out_channels); (D, out_channels) if averaged."""
        z = sources.view(-1, *self.att_src.shape[1:])
        own = z[: layer.num_destinations]
        a_src = (z * self.att_src).sum(-1)
        a_dst = (own * self.att_dst).sum(-1)
        from_rows, to_rows = layer.edge_index
        logits = functional.leaky_relu(a_src[from_rows] + a_dst[to_rows], self.negative_slope)
        own_logits = functional.leaky_relu(a_src[: len(own)] + a_dst, self.negative_slope)
        weights, own_weights = self._softmax(logits, own_logits, layer)
        summed = [sum_of_sources(z[:, head], layer, weights[:, head]) for head in range(self.heads)]
        heads = torch.stack(summed, 1) + own_weights[..., None] * own
        rows: Tensor = (heads.flatten(1) if self.concat else heads.mean(1)) + self.bias
        return rows

    def _softmax(self, logits: Tensor, own: Tensor, layer: GraphLayer) -> tuple[Tensor, Tensor]:
        # Over a destination's edges and itself. The largest logit is taken off first: exp must not overflow.
        from_rows, to_rows = layer.edge_index
        with torch.no_grad():
            spread = to_rows[:, None].expand_as(logits)
            largest = own.scatter_reduce(0, spread, logits, "amax")
        factor = from_rows != to_rows
        if layer.edge_weight is not None:
            factor = factor * layer.edge_weight.to(logits.dtype)
        terms = (logits - largest[to_rows]).exp() * factor[:, None]
        own_terms = (own - largest).exp()
        total = own_terms.index_add(0, to_rows, terms)
        return terms / total[to_rows], own_terms / total
