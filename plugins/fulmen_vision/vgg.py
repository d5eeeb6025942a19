"""VGG-16, with parameter names and shapes as in torchvision's checkpoints.

Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
ICLR 2015 (arXiv:1409.1556), table 1, column D; the names (``features.28``) are torchvision's.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

# Column D: the outputs of the 3x3 convolutions of each of the five groups, which a pooling ends.
_GROUPS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16(nn.Module):
    """Thirteen 3x3 convolutions and three linear layers; 138,357,544 weights for 1,000 classes.

    Maps float images of shape (n, in_channels, h, w), h and w at least 32 (``images: small``: 16), to
    scores of shape (n, num_classes). With its default arguments ``load_state_dict`` takes torchvision's
    ``vgg16`` checkpoints as they are.

    Args:
        in_channels: 3 for colour images, 1 for gray.
        num_classes: Scores per image.
        head_width: Features of the two hidden linear layers. The paper's 4,096 make them 89% of the
            weights; 512 is enough for ten classes.
        images: ``imagenet``, the paper's five poolings and 7x7 features before the linear layers;
            ``small``, for images of 16 to 64 pixels: the last pooling is left out and the features are
            averaged to 1x1, which changes the shape of ``classifier.0.weight`` alone.
        dropout: Share of the hidden linear features dropped in training, in [0, 1).
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        head_width: int = 4096,
        images: Literal["imagenet", "small"] = "imagenet",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        small = images == "small"
        side = 1 if small else 7
        self.features = nn.Sequential(*_features(in_channels))
        if small:
            self.features[-1] = nn.Identity()
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = nn.Sequential(
            nn.Linear(_GROUPS[-1][-1] * side * side, head_width),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(head_width, head_width),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(head_width, num_classes),
        )
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores, shape (n, num_classes)."""
        scores: Tensor = self.classifier(self.avgpool(self.features(images)).flatten(1))
        return scores


def _features(inputs: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for group in _GROUPS:
        for outputs in group:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    return layers


def _initialise(module: nn.Module) -> None:
    # He et al. (arXiv:1502.01852), without which sixteen layers do not learn; as torchvision has it.
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
    if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
        nn.init.zeros_(module.bias)
