"""Genes without convolutions: pooling, normalisation, dropout, activation."""

from __future__ import annotations

from torch import nn

from fulmen_evolution.activations import ACTIVATIONS
from fulmen_evolution.genes import Cost, Gene, Shape, check_option, check_word

NOTHING = Cost(0, 0)


class Pooling(Gene):
    """Maxima or means of windows.

    Args:
        kind: ``max`` or ``average``.
        size: Of the window, in both directions.
        stride: From one window to the next.
    """

    ranges = {"kind": ("max", "average"), "size": (2, 3, 4, 5), "stride": (1, 2, 3, 4)}

    def __init__(self, kind: str = "max", size: int = 2, stride: int = 2) -> None:
        self.kind = kind
        self.size = size
        self.stride = stride
        check_word(self, "kind", ("max", "average"))
        check_option(self, "size", 1)
        check_option(self, "stride", 1)

    def build(self, shape: Shape) -> nn.Module:
        """Return the layer."""
        pooling = nn.MaxPool2d if self.kind == "max" else nn.AvgPool2d
        return pooling(self.size, self.stride)

    def shape_after(self, shape: Shape) -> Shape:
        """Return the channels, and how many whole windows fit."""
        channels, height, width = shape
        return channels, (height - self.size) // self.stride + 1, (width - self.size) // self.stride + 1

    def cost(self, shape: Shape) -> Cost:
        """Nothing: there is no multiplication and no parameter."""
        return NOTHING

    def repair(self, shape: Shape) -> Gene | None:
        """Cut the window to the image; None where that leaves a window of one pixel."""
        least = min(shape[1:])
        if least < 2 or self.size < 2:
            return None
        return Pooling(self.kind, min(self.size, least), min(self.stride, least))


class Normalisation(Gene):
    """Normalisation of its own.

    Args:
        kind: ``batch``; ``group``, over groups of channels (four, or as many as divide); ``response``, the
            local response normalisation of Krizhevsky et al. (2012), over five channels.
    """

    ranges = {"kind": ("batch", "group", "response")}

    def __init__(self, kind: str = "batch") -> None:
        self.kind = kind
        check_word(self, "kind", self.ranges["kind"])

    def build(self, shape: Shape) -> nn.Module:
        """Return the layer."""
        channels = shape[0]
        if self.kind == "batch":
            return nn.BatchNorm2d(channels)
        if self.kind == "group":
            return nn.GroupNorm(next(groups for groups in (4, 3, 2, 1) if channels % groups == 0), channels)
        return nn.LocalResponseNorm(5)

    def shape_after(self, shape: Shape) -> Shape:
        """Return the same."""
        return shape

    def cost(self, shape: Shape) -> Cost:
        """Two parameters a channel, but for ``response``; no multiplications, as torch counts."""
        return NOTHING if self.kind == "response" else Cost(2 * shape[0], 0)

    def repair(self, shape: Shape) -> Gene:
        """Turn ``group`` on one pixel into ``batch``: groups of single values have no spread."""
        return Normalisation("batch") if self.kind == "group" and shape[1:] == (1, 1) else self


class Dropout(Gene):
    """Channels dropped at random in training.

    Args:
        rate: The share dropped, 0 to .9.
    """

    ranges = {"rate": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)}

    def __init__(self, rate: float = 0.2) -> None:
        self.rate = rate
        check_option(self, "rate", 0, 0.9)

    def build(self, shape: Shape) -> nn.Module:
        """Return the layer."""
        return nn.Dropout2d(self.rate)

    def shape_after(self, shape: Shape) -> Shape:
        """Return the same."""
        return shape

    def cost(self, shape: Shape) -> Cost:
        """Nothing."""
        return NOTHING


class Activation(Gene):
    """A non-linear function of its own.

    Args:
        function: ``relu``, ``leaky_relu``, ``hardswish``, ``silu``, ``sigmoid`` or ``tanh``.
    """

    ranges = {"function": tuple(name for name in ACTIVATIONS if name != "none")}

    def __init__(self, function: str = "relu") -> None:
        self.function = function
        check_word(self, "function", self.ranges["function"])

    def build(self, shape: Shape) -> nn.Module:
        """Return the layer."""
        return ACTIVATIONS[self.function]()

    def shape_after(self, shape: Shape) -> Shape:
        """Return the same."""
        return shape

    def cost(self, shape: Shape) -> Cost:
        """Nothing that is counted."""
        return NOTHING
