"""A network that sees no edges: what the features alone can say."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from fulmen_split_parallel.networks.errors import NetworkError
from fulmen_split_parallel.networks.network import GraphNetwork


class Perceptron(GraphNetwork):
    """A multilayer perceptron on the features of the seeds: the baseline of every graph network.

    It takes mini-batches of any depth and looks at the seeds' own rows; with ``data.fanouts: []`` nothing
    else is sampled and loaded.

    Args:
        in_channels: Width of the features.
        hidden_channels: Width of the rows between.
        num_classes: Scores of a vertex.
        layers: How many linear layers, at least 1.
        dropout: Probability of a hidden entry to be dropped; each rank draws for itself.
    """

    def __init__(
        self, in_channels: int, hidden_channels: int, num_classes: int, layers: int, dropout: float = 0.0
    ) -> None:
        super().__init__([])
        sizes = {"in_channels": in_channels, "hidden_channels": hidden_channels, "num_classes": num_classes}
        for name, size in {**sizes, "layers": layers}.items():
            if size < 1:
                raise NetworkError(f"{name} is {size}; expected at least 1.")
        if not 0 <= dropout < 1:
            raise NetworkError(f"dropout is {dropout}; expected from 0 to below 1.")
        self.in_channels = in_channels
        widths = [in_channels] + [hidden_channels] * (layers - 1)
        hidden = [
            nn.Sequential(nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout))
            for before, after in itertools.pairwise(widths)
        ]
        self.network = nn.Sequential(*hidden, nn.Linear(widths[-1], num_classes))

    def readout(self, levels: list[Tensor]) -> Tensor:
        """Return scores from features."""
        scores: Tensor = self.network(levels[-1])
        return scores
