"""What a network's layers cost: arithmetic, bytes that aggregation touches, bytes that cross ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.planning.errors import PlanError

Kind = Literal["sage", "gat"]


@dataclass(frozen=True)
class NetworkShape:
    """A stack of one convolution.

    Attributes:
        kind: ``sage`` (mean) or ``gat`` (`heads` heads, averaged in the last layer).
        widths: Of the features, of the rows after each layer; L + 1 of them.
        heads: Of ``gat``; 1 for ``sage``.
        itemsize: Bytes of a number.
    """

    kind: Kind
    widths: tuple[int, ...]
    heads: int = 1
    itemsize: int = 4

    @classmethod
    def of(
        cls, kind: Kind, features: int, hidden: int, classes: int, layers: int, heads: int = 4
    ) -> NetworkShape:
        """Return the shape of a stack of `layers` layers.

        Raises:
            PlanError: a width is not above 0, or heads do not divide it.
        """
        if kind not in ("sage", "gat"):
            raise PlanError(f"network is {kind!r}; expected sage or gat")
        for name, value in (("hidden", hidden), ("heads", heads)):
            if value < 1:
                raise PlanError(f"{name} is {value}; expected 1 or more")
        if kind == "gat" and hidden % heads:
            raise PlanError(f"heads is {heads}, hidden {hidden}; expected heads that divide it")
        widths = (features, *[hidden] * (layers - 1), max(1, classes))
        return cls(kind, widths, heads if kind == "gat" else 1)

    def sent_width(self, layer: int) -> int:
        """Numbers in a row that crosses ranks: SAGE sends what a layer is given, GAT what it projected."""
        return self.widths[layer] if self.kind == "sage" else self._projected(layer)

    def operations(
        self, layer: int, destinations: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the floating-point operations of the matrix products, forward and backward.

        Backward is the product for the weights' gradient and, above the input's layer, the one for the rows'.
        """
        passes = 3 if layer else 2
        if self.kind == "sage":  # one product for the neighbours' mean, one for the vertex's own row
            return passes * 4 * destinations * self.widths[layer] * self.widths[layer + 1]
        return passes * 2 * rows * self.widths[layer] * self._projected(layer)

    def aggregated_bytes(self, layer: int, edges: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the bytes of source rows that aggregation reads, and that its backward pass adds to.

        SAGE's input layer has no backward pass here: features need no gradient.
        """
        if self.kind == "sage":
            return (3 if layer else 1) * edges * self.widths[layer] * self.itemsize
        return 3 * edges * self._projected(layer) * self.itemsize

    def parameter_bytes(self) -> int:
        """Return the bytes of the gradients that ranks add up after each step."""
        factor = 2 if self.kind == "sage" else 1
        pairs = zip(self.widths[:-1], self._outs(), strict=True)
        return self.itemsize * sum(factor * before * after for before, after in pairs)

    def _outs(self) -> Sequence[int]:
        return [
            self.widths[layer + 1] if self.kind == "sage" else self._projected(layer)
            for layer in self._layers
        ]

    @property
    def _layers(self) -> range:
        return range(len(self.widths) - 1)

    def _projected(self, layer: int) -> int:
        last = layer == len(self.widths) - 2
        return self.widths[layer + 1] * (self.heads if last else 1)
