"""SqueezeNet, with parameter names and shapes as in torchvision's checkpoints.

Sources: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters",
arXiv:1602.07360, table 1; version 1.1 is that of the authors' repository, with the poolings earlier.
The names (``features.3.squeeze``) are torchvision's.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

# Squeezed channels of the fire modules in order, None where a pooling stands; each expands to four times
# as many 1x1 and as many 3x3 outputs.
_FIRES = {
    "squeezenet1_0": (16, 16, 32, None, 32, 48, 48, 64, None, 64),
    "squeezenet1_1": (16, 16, None, 32, 32, None, 48, 48, 64, 64),
}
_FIRST = {"squeezenet1_0": (96, 7), "squeezenet1_1": (64, 3)}  # outputs and size of the first convolution


class SqueezeNet(nn.Module):
    """Eight fire modules and no linear layer; 1,248,424 weights for 1,000 classes (1.1: 1,235,496).

    Maps float images of shape (n, in_channels, h, w), h and w at least 21 (1.1: 17; ``stem: small``: 8),
    to scores of shape (n, num_classes). With its default arguments ``load_state_dict`` takes
    torchvision's ``squeezenet1_0`` checkpoints as they are, and with ``variant: squeezenet1_1`` those
    of that name.

    Args:
        in_channels: 3 for colour images, 1 for gray.
        num_classes: Scores per image.
        variant: ``squeezenet1_0``, the paper's; ``squeezenet1_1``, the authors' later one, as accurate
            with 2.4 times less computation.
        stem: ``imagenet``, the first convolution of the variant, which halves the image; ``small``, a
            3x3 convolution that does not shrink it, for images of 8 to 64 pixels. Only the shape of
            ``features.0.weight`` may differ.
        dropout: Share of the features dropped before the last convolution in training, in [0, 1).
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        variant: Literal["squeezenet1_0", "squeezenet1_1"] = "squeezenet1_0",
        stem: Literal["imagenet", "small"] = "imagenet",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(*_features(in_channels, variant, stem == "small"))
        last = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1)
        )
        self.apply(_initialise)
        nn.init.normal_(last.weight, 0, 0.01)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores, shape (n, num_classes), not negative: the paper's last layer is rectified."""
        scores: Tensor = self.classifier(self.features(images)).flatten(1)
        return scores


class _Fire(nn.Module):
    """A 1x1 convolution to few channels, then 1x1 and 3x3 side by side (figure 1)."""

    def __init__(self, inputs: int, squeezed: int) -> None:
        super().__init__()
        expanded = 4 * squeezed
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, shape (n, 8 * squeezed, h, w)."""
        x = self.squeeze_activation(self.squeeze(x))
        narrow = self.expand1x1_activation(self.expand1x1(x))
        wide = self.expand3x3_activation(self.expand3x3(x))
        return torch.cat([narrow, wide], 1)


def _features(in_channels: int, variant: str, small: bool) -> list[nn.Module]:
    channels, size = _FIRST[variant]
    first = (
        nn.Conv2d(in_channels, channels, 3, padding=1)
        if small
        else nn.Conv2d(in_channels, channels, size, stride=2)
    )
    layers: list[nn.Module] = [first, nn.ReLU(inplace=True), _pool()]
    for squeezed in _FIRES[variant]:
        if squeezed is None:
            layers.append(_pool())
        else:
            layers.append(_Fire(channels, squeezed))
            channels = 8 * squeezed
    return layers


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
