"""Genes that are small networks: a residual block, and parallel branches that are joined."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from fulmen_evolution.activations import ACTIVATIONS
from fulmen_evolution.convolutions import CHANNELS, KERNEL
from fulmen_evolution.genes import Cost, Gene, Shape, check_option, check_word


class Residual(Gene):
    """An inverted bottleneck around which the input passes: wider, depthwise, back, added.

    Args:
        expansion: How many times as wide it is inside.
        kernel: Height and width of the depthwise part; odd, an even one is made odd by repair.
        activation: As of `Convolution`, inside.

    Source: Sandler et al., "MobileNetV2", CVPR 2018.
    """

    ranges = {"expansion": (1, 2, 3, 4), "kernel": KERNEL[1:], "activation": ("relu", "hardswish", "silu")}

    def __init__(self, expansion: int = 2, kernel: int = 3, activation: str = "relu") -> None:
        self.expansion = expansion
        self.kernel = kernel
        self.activation = activation
        check_option(self, "expansion", 1)
        check_option(self, "kernel", 1)
        check_word(self, "activation", list(ACTIVATIONS))

    def build(self, shape: Shape) -> nn.Module:
        """Return the layer."""
        channels = shape[0]
        inside = self.expansion * channels
        parts = OrderedDict[str, nn.Module](
            widen=nn.Conv2d(channels, inside, 1, bias=False),
            norm1=nn.BatchNorm2d(inside),
            act1=ACTIVATIONS[self.activation](),
            depthwise=nn.Conv2d(
                inside, inside, self.kernel, padding=self.kernel // 2, groups=inside, bias=False
            ),
            norm2=nn.BatchNorm2d(inside),
            act2=ACTIVATIONS[self.activation](),
            narrow=nn.Conv2d(inside, channels, 1, bias=False),
            norm3=nn.BatchNorm2d(channels),
        )
        return _Around(nn.Sequential(parts))

    def shape_after(self, shape: Shape) -> Shape:
        """Return the same."""
        return shape

    def cost(self, shape: Shape) -> Cost:
        """Count the three convolutions' multiply-adds."""
        channels, height, width = shape
        inside = self.expansion * channels
        weights = inside * (2 * channels + self.kernel**2)
        return Cost(weights + 4 * inside + 2 * channels, weights * height * width)

    def repair(self, shape: Shape) -> Gene:
        """Cut an even kernel, and one much wider than the image."""
        kernel = min(self.kernel if self.kernel % 2 else self.kernel + 1, 2 * min(shape[1:]) - 1)
        return Residual(self.expansion, kernel, self.activation)


class Parallel(Gene):
    """Branches side by side, joined: 1x1, 1x1 then tall and wide, 1x1 then square, pooling then 1x1.

    Args:
        channels: That it makes, split evenly over the branches (the first get what is left over).
        branches: How many of the four, from the first on; 2 to 4.
        kernel: Of the second branch (kernel x 1, then 1 x kernel) and of the third (3 at most); odd, an even
            one is made odd by repair.

    Source: Szegedy et al., "Going deeper with convolutions", CVPR 2015; the factorised kernel is of
        "Rethinking
    the Inception architecture", CVPR 2016.
    """

    ranges = {"channels": CHANNELS[1:], "branches": (2, 3, 4), "kernel": KERNEL[1:]}

    def __init__(self, channels: int = 16, branches: int = 3, kernel: int = 3) -> None:
        self.channels = channels
        self.branches = branches
        self.kernel = kernel
        check_option(self, "branches", 2, 4)
        check_option(self, "channels", branches)
        check_option(self, "kernel", 1)

    def build(self, shape: Shape) -> nn.Module:
        """Return the layer."""
        made: list[nn.Module] = []
        for number, width in enumerate(self._widths()):
            if number == 0:
                made.append(nn.Conv2d(shape[0], width, 1, bias=False))
            elif number == 1:
                tall = nn.Conv2d(width, width, (self.kernel, 1), padding=(self.kernel // 2, 0), bias=False)
                wide = nn.Conv2d(width, width, (1, self.kernel), padding=(0, self.kernel // 2), bias=False)
                made.append(nn.Sequential(nn.Conv2d(shape[0], width, 1, bias=False), tall, wide))
            elif number == 2:
                square = nn.Conv2d(width, width, self._square, padding=self._square // 2, bias=False)
                made.append(nn.Sequential(nn.Conv2d(shape[0], width, 1, bias=False), square))
            else:
                pooling = nn.AvgPool2d(3, 1, 1) if min(shape[1:]) > 1 else nn.Identity()
                made.append(nn.Sequential(pooling, nn.Conv2d(shape[0], width, 1, bias=False)))
        return nn.Sequential(
            OrderedDict[str, nn.Module](
                branches=_Joined(made), norm=nn.BatchNorm2d(self.channels), act=nn.ReLU()
            )
        )

    def shape_after(self, shape: Shape) -> Shape:
        """Return the channels and the same size."""
        return self.channels, *shape[1:]

    def cost(self, shape: Shape) -> Cost:
        """Count all convolutions' multiply-adds."""
        inner = (0, 2 * self.kernel, self._square**2, 0)
        weights = sum(
            width * (shape[0] + width * taps) for width, taps in zip(self._widths(), inner, strict=False)
        )
        return Cost(weights + 2 * self.channels, weights * shape[1] * shape[2])

    def repair(self, shape: Shape) -> Gene:
        """Cut an even kernel, and one much wider than the image."""
        kernel = min(self.kernel if self.kernel % 2 else self.kernel + 1, 2 * min(shape[1:]) - 1)
        return Parallel(self.channels, self.branches, kernel)

    @property
    def _square(self) -> int:
        return min(self.kernel, 3)

    def _widths(self) -> list[int]:
        whole, left = divmod(self.channels, self.branches)
        return [whole + (number < left) for number in range(self.branches)]


class _Around(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = images + self.inner(images)
        return found


class _Joined(nn.Module):
    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([branch(images) for branch in self.branches], dim=1)
