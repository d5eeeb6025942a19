"""The base of networks that are written once for one process, data parallel and split parallel."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from torch import Tensor, nn

from fulmen_split_parallel.networks.batch import GraphBatch, GraphLayer
from fulmen_split_parallel.networks.batch_aware import told_of
from fulmen_split_parallel.networks.convolution import LayerConvolution
from fulmen_split_parallel.networks.errors import NetworkError
from fulmen_split_parallel.networks.refusals import refuse_convolution


class GraphNetwork(nn.Module):
    """Convolutions, one for each layer of a mini-batch, from the inputs up; exchanges are its own affair.

    A network of your own says what happens in one layer, and no more::

        class Mine(GraphNetwork):
            def __init__(self, in_channels: int, num_classes: int) -> None:
                super().__init__([SAGEConv(in_channels, 64), GATConv(64, num_classes)])

            def layer(self, index, sources, own, layer):
                rows = self.convolve(index, sources, layer)
                return rows if index else rows.relu()

    It is then called with a ``GraphBatch`` and gives scores of its seeds, wherever the rows live, and
    ``infer`` runs it layer by layer over the whole graph. One without convolutions sees the seeds' own
    features, whatever was sampled.

    Args:
        convolutions: PyG's bipartite ones (SAGEConv, GATConv, GATv2Conv, GINConv, GraphConv,
            TransformerConv, ...) or this package's.
        use_edge_weight: Whether a graph's edge weights go to the convolutions: as ``edge_weight``, or as
            ``edge_attr`` of width 1 where they have an ``edge_dim``.

    Raises:
        NetworkError: a convolution cannot take sources and destinations apart (GCNConv, PNAConv,
            SGConv, ClusterGCNConv, ...): it is named, and what to use instead.
    """

    def __init__(self, convolutions: Sequence[nn.Module], use_edge_weight: bool = True) -> None:
        super().__init__()
        for convolution in convolutions:
            refuse_convolution(convolution)
        self.convolutions = nn.ModuleList(convolutions)
        self.use_edge_weight = use_edge_weight

    #: Whether ``readout`` wants the rows of every layer, not only of the last (jumping knowledge).
    jumps = False

    def layer(self, index: int, sources: Tensor, own: Tensor, layer: GraphLayer) -> Tensor:
        """Return the new rows of a layer's destinations, (D, width).

        Args:
            index: Of the layer, 0 at the inputs.
            sources: (S, width), rows of the sources, as ``project`` left them.
            own: (D, width), rows of the destinations as the layer below left them: for residuals.
            layer: The edges.
        """
        rows = self.convolve(index, sources, layer)
        return rows if index == len(self.convolutions) - 1 else rows.relu()

    def readout(self, levels: list[Tensor]) -> Tensor:
        """Return the scores of the seeds, from their rows: of each layer if ``jumps``, else of the last."""
        return levels[-1]

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return the scores of ``batch.seeds``, (N, classes)."""
        self._refuse_depth(len(batch.layers))
        with told_of(self, batch):
            rows = batch.x
            levels = [rows]
            for index, layer in enumerate(batch.layers):
                own = layer.own(rows)
                rows = self.pull(index, rows, own, layer) if self.convolutions else own
                jumping = [layer.own(level) for level in levels] if self.jumps and index else []
                levels = [*jumping, rows]
            return batch.home(self.readout(levels))

    def pull(self, index: int, rows: Tensor, own: Tensor, layer: GraphLayer) -> Tensor:
        """Return the new rows of a layer's destinations, (D, width): exchange, then ``layer``.

        For a network that can do without ``sources`` as one tensor, and that gives what ``layer`` does.

        Args:
            index: Of the layer, 0 at the inputs.
            rows: (n, width), of the layer below, where their owners have them.
            own: (D, width), those of the destinations.
            layer: The edges.
        """
        return self.layer(index, layer.exchange(self.project(index, rows)), own, layer)

    def project(self, index: int, rows: Tensor) -> Tensor:
        """Return what the owners of a layer's sources do before rows are exchanged."""
        convolution = self.convolutions[index]
        return convolution.project(rows) if isinstance(convolution, LayerConvolution) else rows

    def convolve(self, index: int, sources: Tensor, layer: GraphLayer) -> Tensor:
        """Return what a convolution makes of a layer, (D, width), edge weights included."""
        convolution = self.convolutions[index]
        if isinstance(convolution, LayerConvolution):
            rows: Tensor = convolution(sources, self.weighed(layer))
            return rows
        pair = (sources, sources[: layer.num_destinations])
        convolved: Tensor = convolution(pair, layer.edge_index, **self._weights(convolution, layer))
        return convolved

    def weighed(self, layer: GraphLayer) -> GraphLayer:
        """Return a layer as this package's convolutions are to see it: without edge weights if not wanted."""
        unwanted = layer.edge_weight is not None and not self.use_edge_weight
        return layer.without_weights() if unwanted else layer

    def _weights(self, convolution: nn.Module, layer: GraphLayer) -> dict[str, Tensor]:
        if layer.edge_weight is None or not self.use_edge_weight:
            return {}
        if "edge_weight" in inspect.signature(convolution.forward).parameters:
            return {"edge_weight": layer.edge_weight}
        if getattr(convolution, "edge_dim", None) == 1:
            return {"edge_attr": layer.edge_weight[:, None]}
        raise NetworkError(
            f"{type(convolution).__name__} would leave out the graph's edge weights; expected one that "
            "takes them: use GraphConv, SageConvolution or edge_dim=1, or set use_edge_weight: false."
        )

    def _refuse_depth(self, layers: int) -> None:
        if self.convolutions and layers != len(self.convolutions):
            raise NetworkError(
                f"the network has {len(self.convolutions)} convolutions, the mini-batch {layers} layers; "
                f"expected as many: give data.fanouts {len(self.convolutions)} numbers, "
                f"or the network {layers} layers."
            )
