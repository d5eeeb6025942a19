"""The convolution of graph isomorphism networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fulmen_split_parallel.networks.batch import GraphLayer
from fulmen_split_parallel.networks.convolution import LayerConvolution, sum_of_sources


class GinConvolution(LayerConvolution):
    """GIN: ``nn((1 + eps) * own row + sum over in-neighbours)``, the sum weighted where edges have weights.

    Args:
        nn: Maps rows to rows, a perceptron of two layers in the paper. A batch normalisation in it is
            ``fulmen_split_parallel.networks.BatchNorm``, so that ranks can share a mini-batch.
        eps: At the start.
        train_eps: Whether it is learnt.

    Source: Xu et al., ICLR 2019 (arXiv:1810.00826), equation 4.1; PyG's GINConv, whose parameters it
    shares.
    """

    eps: Tensor

    def __init__(self, nn: nn.Module, eps: float = 0.0, train_eps: bool = False) -> None:
        super().__init__()
        self.nn = nn
        start = torch.full((1,), eps)
        if train_eps:
            self.eps = torch.nn.Parameter(start)
        else:
            self.register_buffer("eps", start)

    def forward(self, sources: Tensor, layer: GraphLayer) -> Tensor:
        """Return rows of the destinations, (D, width of what ``nn`` gives)."""
        own = sources[: layer.num_destinations] * (1 + self.eps)
        rows: Tensor = self.nn(own + sum_of_sources(sources, layer, layer.edge_weight))
        return rows
