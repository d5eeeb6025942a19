"""Models by name: networks whose options are numbers and words in YAML."""

from __future__ import annotations

from typing import Literal

from torch import nn

from fulmen.errors import ConfigError
from fulmen_split_parallel.networks import GraphNetwork, Perceptron, Stack
from fulmen_split_parallel.networks.stack import Jump, Norm, gat, sage
from fulmen_split_parallel.vertex_model import VertexModel, refused_as_config


class NodeClassifier(VertexModel):
    """Trains a network of yours to tell the classes of vertices, wherever it runs.

    See ``VertexModel`` for what it logs.

    Args:
        network: A ``GraphNetwork``.
        num_classes: Classes in the data, and scores that the network gives.
        lr: Learning rate of Adam. LightningCLI's ``--optimizer`` overrides it.
        weight_decay: Of Adam.
        inference: How vertices are scored outside training: ``sampled`` or ``layerwise``.
        inference_folder: Where ``layerwise`` keeps rows; None: the system's folder for temporary files.
    """

    def __init__(
        self,
        network: nn.Module,
        num_classes: int,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        inference: Literal["sampled", "layerwise"] = "sampled",
        inference_folder: str | None = None,
    ) -> None:
        if not isinstance(network, GraphNetwork):
            raise ConfigError(
                f"model: network is a {type(network).__name__}; expected one that takes mini-batches of a "
                "graph: derive it from fulmen_split_parallel.networks.GraphNetwork."
            )
        super().__init__(network, num_classes, lr, weight_decay, inference, inference_folder)
        # A checkpoint must load under weights_only=True, so no module may enter it. Under LightningCLI the
        # hyperparameters are the parsed config (known by its "_instantiator"): plain data.
        self.save_hyperparameters(ignore=["network"])
        if "_instantiator" in self.hparams:
            self.save_hyperparameters()


class SAGE(VertexModel):
    """GraphSAGE that classifies vertices, in one process, ``ddp`` or ``split_parallel``.

    See ``VertexModel`` for what it logs.

    Args:
        in_channels: Features of a vertex in the data.
        num_classes: Classes in the data.
        hidden_channels: Width of a hidden row.
        layers: Convolutions, as many as the data's ``fanouts``.
        aggregation: Of in-neighbours' rows: ``mean`` (weighted, where edges have weights) or ``max``.
        residual: Whether a vertex's row is added to its new one.
        jump: ``last``, ``cat`` or ``max``: from which layers' rows scores are made (jumping knowledge).
        norm: Of hidden rows: ``none``, ``layer``, or ``batch``, over the whole mini-batch on all ranks.
        dropout: Of hidden rows, the same on any number of ranks.
        use_edge_weight: Whether a graph's edge weights count.
        lr: Learning rate of Adam. LightningCLI's ``--optimizer`` overrides it.
        weight_decay: Of Adam.
        inference: How vertices are scored outside training: ``sampled`` or ``layerwise``.
        inference_folder: Where ``layerwise`` keeps rows; None: the system's folder for temporary files.

    Source: Hamilton et al., NeurIPS 2017 (arXiv:1706.02216).
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        hidden_channels: int = 256,
        layers: int = 3,
        aggregation: Literal["mean", "max"] = "mean",
        residual: bool = False,
        jump: Jump = "last",
        norm: Norm = "none",
        dropout: float = 0.0,
        use_edge_weight: bool = True,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        inference: Literal["sampled", "layerwise"] = "sampled",
        inference_folder: str | None = None,
    ) -> None:
        with refused_as_config():
            network = Stack(
                sage(aggregation),
                in_channels,
                hidden_channels,
                num_classes,
                layers,
                residual=residual,
                jump=jump,
                norm=norm,
                dropout=dropout,
                use_edge_weight=use_edge_weight,
            )
        super().__init__(network, num_classes, lr, weight_decay, inference, inference_folder)
        self.save_hyperparameters()


class GAT(VertexModel):
    """A graph attention network that classifies vertices, in one process, ``ddp`` or ``split_parallel``.

    See ``VertexModel`` for what it logs.

    Args:
        in_channels: Features of a vertex in the data.
        num_classes: Classes in the data.
        hidden_channels: Width of a hidden row, all heads together.
        layers: Convolutions, as many as the data's ``fanouts``.
        heads: Must divide ``hidden_channels``; averaged where scores are made.
        version: 1, GAT; 2, GATv2, whose attention depends on both ends jointly.
        residual: Whether a vertex's row is added to its new one.
        jump: ``last``, ``cat`` or ``max``: from which layers' rows scores are made (jumping knowledge).
        norm: Of hidden rows: ``none``, ``layer``, or ``batch``, over the whole mini-batch on all ranks.
        dropout: Of hidden rows, the same on any number of ranks.
        use_edge_weight: Whether a graph's edge weights count (version 1).
        lr: Learning rate of Adam. LightningCLI's ``--optimizer`` overrides it.
        weight_decay: Of Adam.
        inference: How vertices are scored outside training: ``sampled`` or ``layerwise``.
        inference_folder: Where ``layerwise`` keeps rows; None: the system's folder for temporary files.

    Sources: Velickovic et al., ICLR 2018 (arXiv:1710.10903); Brody et al., ICLR 2022 (arXiv:2105.14491).
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        hidden_channels: int = 256,
        layers: int = 3,
        heads: int = 4,
        version: Literal[1, 2] = 1,
        residual: bool = False,
        jump: Jump = "last",
        norm: Norm = "none",
        dropout: float = 0.0,
        use_edge_weight: bool = True,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        inference: Literal["sampled", "layerwise"] = "sampled",
        inference_folder: str | None = None,
    ) -> None:
        with refused_as_config():
            network = Stack(
                gat(heads, version),
                in_channels,
                hidden_channels,
                num_classes,
                layers,
                residual=residual,
                jump=jump,
                norm=norm,
                dropout=dropout,
                activation="elu",
                use_edge_weight=use_edge_weight,
            )
        super().__init__(network, num_classes, lr, weight_decay, inference, inference_folder)
        self.save_hyperparameters()


class MLP(VertexModel):
    """A perceptron on the features alone: what a graph network has to beat.

    With ``data.fanouts: []`` nothing but the seeds' features is loaded. See ``VertexModel`` for what
    it logs.

    Args:
        in_channels: Features of a vertex in the data.
        num_classes: Classes in the data.
        hidden_channels: Width of a hidden row.
        layers: Linear layers.
        dropout: Of hidden rows.
        lr: Learning rate of Adam. LightningCLI's ``--optimizer`` overrides it.
        weight_decay: Of Adam.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        hidden_channels: int = 256,
        layers: int = 3,
        dropout: float = 0.0,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
    ) -> None:
        with refused_as_config():
            network = Perceptron(in_channels, hidden_channels, num_classes, layers, dropout)
        super().__init__(network, num_classes, lr, weight_decay)
        self.save_hyperparameters()
