"""Networks that searched ones are compared with: ResNet-18, two small classics, and nets made by hand.

Sources: He et al., "Deep Residual Learning", CVPR 2016; Sandler et al., "MobileNetV2", CVPR 2018 (table
2, the rounding of widths to multiples of 8 as in its published code).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fulmen_evolution.convolutions import Convolution
from fulmen_evolution.genome import Genome
from fulmen_vision.resnet import ResNet18


class ResNet10(nn.Module):
    """One basic block in each of four stages, all widths times a factor. Scores of shape (n, 2)."""

    def __init__(self, width: float = 0.25) -> None:
        super().__init__()
        widths = [round(channels * width) for channels in (64, 128, 256, 512)]
        self.stem = nn.Sequential(_convolution(3, widths[0], 7, 2), nn.MaxPool2d(3, 2, 1))
        pairs = zip([widths[0], *widths[:-1]], widths, (1, 2, 2, 2), strict=True)
        self.stages = nn.Sequential(*(_Basic(before, after, stride) for before, after, stride in pairs))
        self.head = nn.Linear(widths[-1], 2)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores, shape (n, 2)."""
        scores: Tensor = self.head(self.stages(self.stem(images)).mean((2, 3)))
        return scores


class MobileNetV2(nn.Module):
    """Inverted bottlenecks, all widths times a factor but the last, which is never below 1280."""

    STAGES = (  # expansion, channels, repetitions, stride of the first
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )

    def __init__(self, width: float = 0.25) -> None:
        super().__init__()
        channels = _rounded(32 * width)
        layers: list[nn.Module] = [_convolution(3, channels, 3, 2, activation=nn.ReLU6)]
        for expansion, base, repetitions, stride in self.STAGES:
            after = _rounded(base * width)
            for number in range(repetitions):
                layers.append(_Inverted(channels, after, expansion, stride if number == 0 else 1))
                channels = after
        last = max(1280, _rounded(1280 * width))
        layers.append(_convolution(channels, last, 1, 1, activation=nn.ReLU6))
        self.layers = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, 2))

    def forward(self, images: Tensor) -> Tensor:
        """Return scores, shape (n, 2)."""
        scores: Tensor = self.head(self.layers(images).mean((2, 3)))
        return scores


class _Basic(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = _convolution(before, after, 3, stride)
        self.second = _convolution(after, after, 3, 1, activation=nn.Identity)
        same = stride == 1 and before == after
        self.shortcut = nn.Identity() if same else _convolution(before, after, 1, stride, nn.Identity)

    def forward(self, images: Tensor) -> Tensor:
        return torch.relu(self.second(self.first(images)) + self.shortcut(images))


class _Inverted(nn.Module):
    def __init__(self, before: int, after: int, expansion: int, stride: int) -> None:
        super().__init__()
        inside = before * expansion
        widen = [] if expansion == 1 else [_convolution(before, inside, 1, 1, nn.ReLU6)]
        self.inner = nn.Sequential(
            *widen,
            _convolution(inside, inside, 3, stride, nn.ReLU6, groups=inside),
            _convolution(inside, after, 1, 1, nn.Identity),
        )
        self.around = stride == 1 and before == after

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.inner(images)
        return images + found if self.around else found


def _convolution(
    before: int,
    after: int,
    size: int,
    stride: int,
    activation: Callable[[], nn.Module] = nn.ReLU,
    groups: int = 1,
) -> nn.Sequential:
    conv = nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), activation())


def _rounded(channels: float, step: int = 8) -> int:
    """Round to a multiple of 8, at least 8, and never by more than a tenth down."""
    near = max(step, int(channels + step / 2) // step * step)
    return near + step if near < 0.9 * channels else near


def by_hand(widths: tuple[int, ...], normalise: bool = True, maximum: bool = True) -> Genome:
    """Return 3x3 convolutions of stride 2, one after the other, as a person would begin."""
    layers = [Convolution(channels, stride=2, normalise=normalise) for channels in widths]
    return Genome(list(layers), 3, 2, (100, 100), maximum)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet18": lambda: ResNet18(3, 2),
    "mobilenet_v2_x0.25": MobileNetV2,
    "resnet10_x0.25": ResNet10,
    # The notes' hand-made nets, by their sizes: 20 k parameters plain, and normalised with the mean and the
    # maximum of each channel before the last layer; 62 k and 6.6 k of the latter kind.
    "hand_20k_plain": lambda: by_hand((16, 32, 48), normalise=False, maximum=False),
    "hand_20k": lambda: by_hand((16, 32, 48)),
    "hand_62k": lambda: by_hand((32, 56, 88)),
    "hand_6k": lambda: by_hand((8, 16, 32)),
}
REFERENCE = "resnet18"
