"""Image classification: networks, a model, data and a callback that other plugins' configs compose by name.

This file is the list of public names; each module is imported when its name is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fulmen_vision.classifier import ImageClassifier as ImageClassifier
    from fulmen_vision.digits import Digits as Digits
    from fulmen_vision.idx import IdxImages as IdxImages
    from fulmen_vision.image_folder import ImageFolder as ImageFolder
    from fulmen_vision.npz import NpzImages as NpzImages
    from fulmen_vision.predictions import Predictions as Predictions
    from fulmen_vision.resnet import ResNet18 as ResNet18
    from fulmen_vision.small_cnn import SmallCNN as SmallCNN
    from fulmen_vision.squeezenet import SqueezeNet as SqueezeNet
    from fulmen_vision.vgg import VGG16 as VGG16

_MODULES = {
    "Digits": "digits",
    "IdxImages": "idx",
    "ImageClassifier": "classifier",
    "ImageFolder": "image_folder",
    "NpzImages": "npz",
    "Predictions": "predictions",
    "ResNet18": "resnet",
    "SmallCNN": "small_cnn",
    "SqueezeNet": "squeezenet",
    "VGG16": "vgg",
}
__all__ = [
    "VGG16",
    "Digits",
    "IdxImages",
    "ImageClassifier",
    "ImageFolder",
    "NpzImages",
    "Predictions",
    "ResNet18",
    "SmallCNN",
    "SqueezeNet",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
