"""ResNet-18, with parameter names and shapes as in torchvision's checkpoints.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016 (arXiv:1512.03385),
table 1 and section 3.3; the names (``layer2.0.downsample.0``) are torchvision's.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn


class ResNet18(nn.Module):
    """Eighteen layers with identity shortcuts; 11,689,512 weights for 1,000 classes.

    Maps float images of shape (n, in_channels, h, w) to scores of shape (n, num_classes). With its
    default arguments ``load_state_dict`` takes torchvision's ``resnet18`` checkpoints as they are.

    Args:
        in_channels: 3 for colour images, 1 for gray.
        num_classes: Scores per image.
        stem: ``imagenet``, the paper's 7x7 convolution and pooling, which shrink the image 4 times;
            ``small``, a 3x3 convolution that does not shrink it (section 4.2), for images of 8 to 64
            pixels. Only the shape of ``conv1.weight`` differs.
    """

    def __init__(
        self, in_channels: int = 3, num_classes: int = 1000, stem: Literal["imagenet", "small"] = "imagenet"
    ) -> None:
        super().__init__()
        small = stem == "small"
        size, stride = (3, 1) if small else (7, 2)
        self.conv1 = nn.Conv2d(in_channels, 64, size, stride, padding=size // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(_BasicBlock(64, 64), _BasicBlock(64, 64))
        self.layer2 = nn.Sequential(_BasicBlock(64, 128, stride=2), _BasicBlock(128, 128))
        self.layer3 = nn.Sequential(_BasicBlock(128, 256, stride=2), _BasicBlock(256, 256))
        self.layer4 = nn.Sequential(_BasicBlock(256, 512, stride=2), _BasicBlock(512, 512))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, num_classes)
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores, shape (n, num_classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        scores: Tensor = self.fc(self.avgpool(x).flatten(1))
        return scores


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut around them (figure 2), a projection where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = (
            None
            if stride == 1
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, shape (n, outputs, h / stride, w / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + shortcut)


def _initialise(module: nn.Module) -> None:
    # He et al., "Delving Deep into Rectifiers" (arXiv:1502.01852), by fan-out as torchvision has it.
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
