"""Stacks of one convolution, with the options that papers give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from fulmen_split_parallel.networks.attention import AttentionConvolution
from fulmen_split_parallel.networks.batch import GraphLayer
from fulmen_split_parallel.networks.batch_norm import BatchNorm
from fulmen_split_parallel.networks.convolution import LayerConvolution
from fulmen_split_parallel.networks.degree import DegreeConvolution
from fulmen_split_parallel.networks.dropout import KeyedDropout
from fulmen_split_parallel.networks.errors import NetworkError
from fulmen_split_parallel.networks.gin import GinConvolution
from fulmen_split_parallel.networks.network import GraphNetwork
from fulmen_split_parallel.networks.sage import SageConvolution

Norm = Literal["none", "batch", "layer"]
Jump = Literal["last", "cat", "max"]


class Stack(GraphNetwork):
    """``h = dropout(activation(norm(convolution(h))) + skip(h))``, layer upon layer.

    The last layer gives scores and has only its convolution; with jumping knowledge it is as the others,
    and a linear layer makes scores of all layers' rows.

    Args:
        convolution: Makes a convolution from its widths in and out, and whether it is the last.
        in_channels: Width of the features.
        hidden_channels: Width of the rows between.
        num_classes: Scores of a vertex.
        layers: How many convolutions, at least 1.
        residual: Whether a vertex's row is added to its new one; projected where the widths differ.
        jump: ``last``: scores come from the last layer; ``cat`` or ``max``: from all layers' rows, side
            by side or by their largest entries (Xu et al., ICML 2018, arXiv:1806.03536).
        norm: ``batch`` (over the whole mini-batch, on however many ranks), ``layer`` or ``none``.
        dropout: Probability of an entry to be dropped, the same on any number of ranks.
        activation: ``relu`` or ``elu``.
        use_edge_weight: Whether a graph's edge weights count.
    """

    def __init__(
        self,
        convolution: Callable[[int, int, bool], nn.Module],
        in_channels: int,
        hidden_channels: int,
        num_classes: int,
        layers: int,
        *,
        residual: bool = False,
        jump: Jump = "last",
        norm: Norm = "none",
        dropout: float = 0.0,
        activation: Literal["relu", "elu"] = "relu",
        use_edge_weight: bool = True,
    ) -> None:
        sizes = {"in_channels": in_channels, "hidden_channels": hidden_channels, "num_classes": num_classes}
        for name, size in {**sizes, "layers": layers}.items():
            if size < 1:
                raise NetworkError(f"{name} is {size}; expected at least 1.")
        if jump not in ("last", "cat", "max"):
            raise NetworkError(f"jump is {jump!r}; expected last, cat or max.")
        if activation not in ("relu", "elu"):
            raise NetworkError(f"activation is {activation!r}; expected relu or elu.")
        hidden = layers if jump != "last" else layers - 1  # layers that are followed by norm and activation
        widths = [in_channels] + [hidden_channels] * hidden + [num_classes] * (layers - hidden)
        ends = [jump == "last" and index == layers - 1 for index in range(layers)]
        steps = list(zip(widths[:-1], widths[1:], ends, strict=True))
        super().__init__([convolution(*step) for step in steps], use_edge_weight)
        self.in_channels = in_channels
        self.jumps = jump != "last"
        self.jump = jump
        self.activation = getattr(functional, activation)
        self.norms = nn.ModuleList(_norm(norm, hidden_channels) for _ in range(hidden))
        self.skips = nn.ModuleList(
            nn.Identity() if before == after else nn.Linear(before, after, bias=False)
            for before, after, _ in steps[:hidden]
            if residual
        )
        self.drops = nn.ModuleList(KeyedDropout(dropout, layer) for layer in range(hidden))
        if self.jumps:
            self.head = nn.Linear(hidden_channels * (layers if jump == "cat" else 1), num_classes)

    def layer(self, index: int, sources: Tensor, own: Tensor, layer: GraphLayer) -> Tensor:
        """Return the new rows of a layer's destinations."""
        return self._finished(index, self.convolve(index, sources, layer), own, layer)

    def pull(self, index: int, rows: Tensor, own: Tensor, layer: GraphLayer) -> Tensor:
        """Return the new rows of a layer's destinations, as the convolution likes best to get them."""
        convolution = self.convolutions[index]
        if not isinstance(convolution, LayerConvolution):
            return super().pull(index, rows, own, layer)
        return self._finished(index, convolution.pull(rows, self.weighed(layer)), own, layer)

    def _finished(self, index: int, rows: Tensor, own: Tensor, layer: GraphLayer) -> Tensor:
        if index >= len(self.norms):
            return rows
        rows = self.activation(self.norms[index](rows))
        if self.skips:
            rows = rows + self.skips[index](own)
        dropped: Tensor = self.drops[index](rows, layer.destinations)
        return dropped

    def readout(self, levels: list[Tensor]) -> Tensor:
        """Return scores."""
        if not self.jumps:
            return levels[-1]
        jumped = torch.cat(levels, 1) if self.jump == "cat" else torch.stack(levels).amax(0)
        scores: Tensor = self.head(jumped)
        return scores


def sage(aggregation: Literal["mean", "max"] = "mean") -> Callable[[int, int, bool], nn.Module]:
    """Return the maker of GraphSAGE's convolutions."""
    return lambda before, after, last: SageConvolution(before, after, aggregation)


def gat(heads: int = 4, version: Literal[1, 2] = 1) -> Callable[[int, int, bool], nn.Module]:
    """Return the maker of graph attention: heads side by side, averaged where the layer gives scores.

    Args:
        heads: Must divide the hidden width.
        version: 1, of Velickovic et al.; 2, of Brody et al. (ICLR 2022, arXiv:2105.14491).
    """
    if heads < 1:
        raise NetworkError(f"heads is {heads}; expected at least 1.")
    if version not in (1, 2):
        raise NetworkError(f"version is {version}; expected 1 or 2.")

    def make(before: int, after: int, last: bool) -> nn.Module:
        if not last and after % heads:
            raise NetworkError(
                f"heads is {heads}, hidden_channels {after}; expected heads that divide it: "
                f"set hidden_channels to {after + -after % heads}."
            )
        width = after if last else after // heads
        if version == 1:
            return AttentionConvolution(before, width, heads, concat=not last)
        from torch_geometric.nn import GATv2Conv  # over a second, for those who want it

        second: nn.Module = GATv2Conv(before, width, heads, concat=not last)
        return second

    return make


def gin(train_eps: bool = False) -> Callable[[int, int, bool], nn.Module]:
    """Return the maker of GIN's convolutions, each with a perceptron of two layers."""

    def make(before: int, after: int, last: bool) -> nn.Module:
        inner = nn.Sequential(nn.Linear(before, after), nn.ReLU(), nn.Linear(after, after))
        return GinConvolution(inner, train_eps=train_eps)

    return make


def gcn() -> Callable[[int, int, bool], nn.Module]:
    """Return the maker of GCN's convolutions, with the degrees of the whole graph."""
    return lambda before, after, last: DegreeConvolution(before, after)


def _norm(name: Norm, width: int) -> nn.Module:
    if name not in ("none", "batch", "layer"):
        raise NetworkError(f"norm is {name!r}; expected none, batch or layer.")
    if name == "none":
        return nn.Identity()
    return BatchNorm(width) if name == "batch" else nn.LayerNorm(width)
