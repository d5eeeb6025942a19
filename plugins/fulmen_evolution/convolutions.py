"""Genes that convolve: with kernels that need not be square, in one piece or depthwise and pointwise."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from fulmen_evolution.activations import ACTIVATIONS
from fulmen_evolution.genes import Cost, Gene, Shape, check_option, check_word

CHANNELS = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128)
KERNEL = (1, 3, 5, 7, 9)
STRIDE = (1, 2, 3, 4)


class _Kernel(Gene):
    """What both have in common. Padding keeps the size at stride 1; kernels are odd."""

    ranges = {
        "channels": CHANNELS,
        "kernel_height": KERNEL,
        "kernel_width": KERNEL,
        "stride": STRIDE,
        "normalise": (True, False),
        "activation": tuple(ACTIVATIONS),
    }

    def __init__(
        self,
        channels: int = 16,
        kernel_height: int = 3,
        kernel_width: int = 3,
        stride: int = 1,
        normalise: bool = True,
        activation: str = "relu",
    ) -> None:
        self.channels = channels
        self.kernel_height = kernel_height
        self.kernel_width = kernel_width
        self.stride = stride
        self.normalise = normalise
        self.activation = activation
        for name in ("channels", "kernel_height", "kernel_width", "stride"):
            check_option(self, name, 1)
        check_word(self, "activation", list(ACTIVATIONS))

    def shape_after(self, shape: Shape) -> Shape:
        """Return the channels, and the size divided by the stride, rounded up for odd kernels."""
        _, height, width = shape
        return (
            self.channels,
            _after(height, self.kernel_height, self.stride),
            _after(width, self.kernel_width, self.stride),
        )

    def repair(self, shape: Shape) -> Gene:
        """Cut an even kernel, one much wider than the image, and a stride that would leave nothing of it."""
        _, height, width = shape
        options = {
            **self.options,
            "kernel_height": _odd(self.kernel_height, height),
            "kernel_width": _odd(self.kernel_width, width),
            "stride": min(self.stride, height, width),
        }
        return type(self)(**options)

    def _end(self) -> OrderedDict[str, nn.Module]:
        end: OrderedDict[str, nn.Module] = OrderedDict()
        if self.normalise:
            end["norm"] = nn.BatchNorm2d(self.channels)
        if self.activation != "none":
            end["act"] = ACTIVATIONS[self.activation]()
        return end

    @property
    def _kernel(self) -> tuple[int, int]:
        return self.kernel_height, self.kernel_width

    @property
    def _padding(self) -> tuple[int, int]:
        return self.kernel_height // 2, self.kernel_width // 2

    @property
    def _end_parameters(self) -> int:
        return 2 * self.channels if self.normalise else self.channels  # the normalisation's, or the bias


class Convolution(_Kernel):
    """A convolution, batch normalisation perhaps, a non-linear function.

    Args:
        channels: That it makes.
        kernel_height: Odd; an even one is made odd by repair.
        kernel_width: Likewise; it need not be as the height.
        stride: In both directions.
        normalise: Whether batch normalisation follows.
        activation: ``relu``, ``leaky_relu``, ``hardswish``, ``silu``, ``sigmoid``, ``tanh`` or ``none``.
    """

    def build(self, shape: Shape) -> nn.Module:
        """Return the layer."""
        conv = nn.Conv2d(
            shape[0], self.channels, self._kernel, self.stride, self._padding, bias=not self.normalise
        )
        return nn.Sequential(OrderedDict(conv=conv, **self._end()))

    def cost(self, shape: Shape) -> Cost:
        """Count the convolution's multiply-adds; parameters with those of the normalisation."""
        _, height, width = self.shape_after(shape)
        weights = shape[0] * self.channels * self.kernel_height * self.kernel_width
        return Cost(weights + self._end_parameters, weights * height * width)


class SeparableConvolution(_Kernel):
    """A depthwise convolution and a pointwise one, batch normalisation perhaps, a non-linear function.

    Args:
        channels: That it makes.
        kernel_height: Of the depthwise part; odd, an even one is made odd by repair.
        kernel_width: Likewise; it need not be as the height.
        stride: In both directions.
        normalise: Whether batch normalisation follows.
        activation: As of `Convolution`.

    Source: Howard et al., "MobileNets", arXiv:1704.04861 (2017).
    """

    def build(self, shape: Shape) -> nn.Module:
        """Return the layer."""
        depthwise = nn.Conv2d(
            shape[0], shape[0], self._kernel, self.stride, self._padding, groups=shape[0], bias=False
        )
        pointwise = nn.Conv2d(shape[0], self.channels, 1, bias=not self.normalise)
        return nn.Sequential(OrderedDict(depthwise=depthwise, pointwise=pointwise, **self._end()))

    def cost(self, shape: Shape) -> Cost:
        """Count both convolutions' multiply-adds."""
        _, height, width = self.shape_after(shape)
        weights = shape[0] * (self.kernel_height * self.kernel_width + self.channels)
        return Cost(weights + self._end_parameters, weights * height * width)


def _after(size: int, kernel: int, stride: int) -> int:
    return (size + 2 * (kernel // 2) - kernel) // stride + 1


def _odd(kernel: int, size: int) -> int:
    """Return the kernel, made odd and at most the first odd number that covers the image from its middle."""
    return min(kernel if kernel % 2 else kernel + 1, 2 * size - 1)
