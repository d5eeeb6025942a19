"""Images with a label each, checked, in one layout whatever the file they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fulmen_vision.format_error import FormatError


@dataclass(frozen=True)
class LabelledImages:
    """Images of one split.

    Attributes:
        images: uint8, shape (n, channels, height, width).
        labels: int64, shape (n,).
        source: Where they came from, for messages.
    """

    images: np.ndarray
    labels: np.ndarray
    source: str

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> LabelledImages:
        """Return the images with these indices, in this order."""
        return LabelledImages(self.images[indices], self.labels[indices], self.source)


class Splits(NamedTuple):
    """Images for training, validation and test; no image is in two of them."""

    train: LabelledImages
    val: LabelledImages
    test: LabelledImages


def pair(images: np.ndarray, labels: np.ndarray, source: str) -> LabelledImages:
    """Bring images and labels into one layout.

    Args:
        images: uint8, shape (n, h, w) for gray or (n, h, w, 3) for colour; n at least 1.
        labels: Any integer dtype, shape (n,) or (n, 1).
        source: The file, for messages.

    Raises:
        FormatError: another dtype or shape, or counts that differ.
    """
    if images.dtype != np.uint8 or not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)):
        raise FormatError(
            f"{source}: images are {images.dtype} of shape {images.shape}; expected uint8 of shape (n, h, w) "
            "or (n, h, w, 3): convert them."
        )
    if labels.dtype.kind not in "iu" or not (labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == 1)):
        raise FormatError(
            f"{source}: labels are {labels.dtype} of shape {labels.shape}; expected integers of shape (n,) "
            "or (n, 1), one class per image: convert them."
        )
    if len(images) != len(labels) or not len(images):
        raise FormatError(
            f"{source}: has {len(images)} images and {len(labels)} labels; expected as many of each, and at "
            "least one: give the labels of these images."
        )
    channels_first = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return LabelledImages(np.ascontiguousarray(channels_first), labels.reshape(-1).astype(np.int64), source)


def remap(data: LabelledImages, label_map: Mapping[int, int]) -> LabelledImages:
    """Replace each label by what the map gives for it.

    Raises:
        FormatError: a label is not in the map.
    """
    unmapped = sorted(set(np.unique(data.labels).tolist()) - set(label_map))
    if unmapped:
        raise FormatError(
            f"{data.source}: has label {unmapped[0]}; expected one of the label map's {sorted(label_map)}: "
            "add it to label_map."
        )
    labels = np.array([label_map[label] for label in data.labels.tolist()], dtype=np.int64)
    return LabelledImages(data.images, labels, data.source)


def count_classes(splits: Splits, num_classes: int | None) -> int:
    """Return how many classes there are, once every label is known to be one of them.

    Args:
        splits: The data.
        num_classes: How many the user says; None: as many as the training labels name, which must
            then be 0, 1, ... without a gap.

    Raises:
        FormatError: a label is outside the classes, or the training labels have a gap.
    """
    if num_classes is None:
        named = np.unique(splits.train.labels)
        if named[0] != 0 or named[-1] != len(named) - 1:
            raise FormatError(
                f"{splits.train.source}: labels are {_shorten(named)}; expected 0, 1, ... without a gap: "
                "renumber them, or say num_classes if a class has no image."
            )
        num_classes = len(named)
    for data in splits:
        outside = data.labels[(data.labels < 0) | (data.labels >= num_classes)]
        if len(outside):
            raise FormatError(
                f"{data.source}: has label {outside[0]} ({len(outside)} such in all); expected 0 to "
                f"{num_classes - 1}: correct the labels, or num_classes."
            )
    return num_classes


def check_same_size(splits: Splits) -> None:
    """Refuse splits whose images differ in channels, height or width.

    Raises:
        FormatError: names the two.
    """
    expected = splits.train.images.shape[1:]
    for data in splits:
        if data.images.shape[1:] != expected:
            raise FormatError(
                f"{data.source}: images are {data.images.shape[1:]} (channels, height, width); expected "
                f"{expected} as in {splits.train.source}: give images of one size."
            )


def _shorten(labels: np.ndarray) -> str:
    shown = ", ".join(str(label) for label in labels[:12])
    return shown if len(labels) <= 12 else f"{shown}, ... {labels[-1]}"
