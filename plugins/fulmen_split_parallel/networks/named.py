"""Stacks whose options are numbers and words alone, for the `network` of a config."""

from __future__ import annotations

from fulmen_split_parallel.networks.stack import Jump, Norm, Stack, gcn, gin


class GIN(Stack):
    """A graph isomorphism network; for its options, see ``Stack``.

    Args:
        in_channels: Width of the features.
        hidden_channels: Width of the rows between.
        num_classes: Scores of a vertex.
        layers: How many convolutions.
        residual: Whether a vertex's row is added to its new one.
        jump: ``last``, ``cat`` or ``max``.
        norm: ``batch``, ``layer`` or ``none``.
        dropout: Probability of an entry to be dropped.
        train_eps: Whether the weight of the own row is learnt.
        use_edge_weight: Whether a graph's edge weights count.

    Source: Xu et al., ICLR 2019 (arXiv:1810.00826).
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_classes: int,
        layers: int,
        residual: bool = False,
        jump: Jump = "last",
        norm: Norm = "batch",
        dropout: float = 0.0,
        train_eps: bool = False,
        use_edge_weight: bool = True,
    ) -> None:
        super().__init__(
            gin(train_eps),
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


class GCN(Stack):
    """A graph convolutional network with the degrees of the whole graph; for its options, see ``Stack``.

    Args:
        in_channels: Width of the features.
        hidden_channels: Width of the rows between.
        num_classes: Scores of a vertex.
        layers: How many convolutions.
        residual: Whether a vertex's row is added to its new one.
        jump: ``last``, ``cat`` or ``max``.
        norm: ``batch``, ``layer`` or ``none``.
        dropout: Probability of an entry to be dropped.
        use_edge_weight: Whether a graph's edge weights count.

    Source: Kipf and Welling, ICLR 2017 (arXiv:1609.02907).
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_classes: int,
        layers: int,
        residual: bool = False,
        jump: Jump = "last",
        norm: Norm = "none",
        dropout: float = 0.0,
        use_edge_weight: bool = True,
    ) -> None:
        super().__init__(
            gcn(),
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
