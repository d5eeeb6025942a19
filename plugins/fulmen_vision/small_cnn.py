"""A small convolutional network."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn


class SmallCNN(nn.Module):
    """Four convolutions with batch normalisation, one of them depthwise, and a linear layer.

    Maps float images of shape (n, in_channels, h, w), h and w at least 8, to scores of shape
    (n, num_classes). A 3x3 convolution, a pooling to half, a 3x3 convolution to twice the width, then
    a depthwise 3x3 and a pointwise 1x1 convolution (Howard et al., "MobileNets", arXiv:1704.04861),
    an average over each quarter of the image, a linear layer.

    Args:
        in_channels: 1 for gray images, 3 for colour.
        num_classes: Scores per image.
        width: Channels of the first convolution; the others have twice as many. 32 gives 26,410
            weights for gray images and 10 classes.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10, width: int = 32) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                stem=_convolution(in_channels, width),
                pool=nn.MaxPool2d(2),
                widen=_convolution(width, 2 * width),
                depthwise=_convolution(2 * width, 2 * width, groups=2 * width),
                pointwise=_convolution(2 * width, 2 * width, size=1),
                quarters=nn.AdaptiveAvgPool2d(2),
            )
        )
        self.head = nn.Linear(4 * 2 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores, shape (n, num_classes)."""
        scores: Tensor = self.head(self.features(images).flatten(1))
        return scores


def _convolution(inputs: int, outputs: int, size: int = 3, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            # No bias: the normalisation that follows takes any constant away.
            conv=nn.Conv2d(inputs, outputs, size, padding=size // 2, groups=groups, bias=False),
            norm=nn.BatchNorm2d(outputs),
            relu=nn.ReLU(inplace=True),
        )
    )
