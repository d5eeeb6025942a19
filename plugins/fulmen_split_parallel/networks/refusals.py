"""What cannot work on blocks, or not on shared mini-batches, by name and with what to use instead."""

from __future__ import annotations

import inspect

from torch import nn

from fulmen_split_parallel.networks.errors import NetworkError

INSTEAD = {
    "GCNConv": "fulmen_split_parallel.networks.DegreeConvolution (the degrees of the whole graph)",
    "PNAConv": "SAGEConv with a list of aggregations (aggr=['mean', 'max', 'std'])",
    "SGConv": "DegreeConvolution layers without activation",
    "SSGConv": "DegreeConvolution layers without activation",
    "ClusterGCNConv": "SAGEConv",
    "AGNNConv": "GATConv",
    "FusedGATConv": "GATConv",
    "SuperGATConv": "GATv2Conv",
    "GCN2Conv": "a stack of DegreeConvolution with residual: true",
    "GatedGraphConv": "ResGatedGraphConv",
}
_ANY = "SAGEConv, GATConv, GATv2Conv, GINConv or GraphConv"
_SEE_MANY_ROWS = {
    *("GraphNorm", "PairNorm", "MeanSubtractionNorm", "DiffGroupNorm", "InstanceNorm", "GraphSizeNorm"),
}


def is_of_pyg(module: nn.Module, names: set[str]) -> bool:
    """Whether a module is of one of these classes of PyG's, or derived from one.

    By name: to import PyG takes over a second in each process, and most networks here do without it.
    """
    kinds = type(module).__mro__
    return any(kind.__module__.startswith("torch_geometric.") and kind.__name__ in names for kind in kinds)


def refuse_convolution(convolution: nn.Module) -> None:
    """Refuse a PyG convolution that cannot take sources and destinations apart.

    Raises:
        NetworkError: names the convolution and what to use instead.
    """
    if not is_of_pyg(convolution, {"MessagePassing"}):
        return
    # PyG's own test of what is bipartite: forward takes a pair for x.
    x = inspect.signature(type(convolution).forward).parameters.get("x")
    # A subclass may leave its arguments bare: then nobody can know, and it may try.
    if x is not None and (x.annotation is x.empty or "uple" in str(x.annotation)):
        return
    name = type(convolution).__name__
    raise NetworkError(
        f"{name} takes the vertices of one whole graph; expected a convolution from sources to destinations "
        f"(its x a pair of tensors), since mini-batches are blocks: use {INSTEAD.get(name, _ANY)} instead."
    )


def refuse_sharing(network: nn.Module) -> None:
    """Refuse a network of which some layer would see one rank's rows where it should see all ranks'.

    Raises:
        NetworkError: names the layer and what to use instead.
    """
    for name, module in network.named_modules():
        if _sees_many_rows(module):
            where = name or "the network"
            raise NetworkError(
                f"{where} is a {type(module).__name__}, whose statistics would be of one rank's "
                "rows; expected those of the whole mini-batch: use fulmen_split_parallel.networks.BatchNorm "
                "(BatchNorm.convert(network) puts it in place) or LayerNorm."
            )


def _sees_many_rows(module: nn.Module) -> bool:
    if isinstance(module, nn.modules.batchnorm._BatchNorm) or is_of_pyg(module, _SEE_MANY_ROWS):
        return True
    # PyG's LayerNorm is over the whole graph unless told otherwise.
    return is_of_pyg(module, {"LayerNorm"}) and getattr(module, "mode", "") == "graph"
