"""Modules whose work depends on the mini-batch, not on the rows alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from fulmen_split_parallel.networks.batch import GraphBatch


class BatchAware(nn.Module):
    """A module that is told of the mini-batch before its rows come, wherever in a network it stands.

    It is how a norm inside a convolution's own perceptron learns of the other ranks.
    """

    def begin(self, batch: GraphBatch) -> None:
        """Take from the mini-batch what the next calls need."""

    def end(self) -> None:
        """Forget it: a network that is copied or pickled must not carry a process group along."""


@contextmanager
def told_of(network: nn.Module, batch: GraphBatch) -> Iterator[None]:
    """Tell every such module of a network of the mini-batch, for the time of a forward pass."""
    aware = [module for module in network.modules() if isinstance(module, BatchAware)]
    for module in aware:
        module.begin(batch)
    try:
        yield
    finally:
        for module in aware:
            module.end()
