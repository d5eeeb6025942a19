"""Images in memory as torch sees them: normalised when a batch asks for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fulmen_vision.labelled_images import LabelledImages


class ImageDataset(Dataset[tuple[Tensor, Tensor]]):
    """Normalised images and their labels, made on demand from bytes.

    Item i is a float32 image of shape (channels, height, width), ``(pixel - mean) / std`` channel by
    channel, and an int64 label of shape ().

    Args:
        data: The images.
        mean: Shape (channels,), in the units of the pixels.
        std: Shape (channels,), not 0.
    """

    def __init__(self, data: LabelledImages, mean: np.ndarray, std: np.ndarray) -> None:
        self.images = torch.from_numpy(data.images)
        self.labels = torch.from_numpy(data.labels)
        self.mean, self.std = (torch.from_numpy(moment).float().view(-1, 1, 1) for moment in (mean, std))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return (self.images[index].float() - self.mean) / self.std, self.labels[index]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        # torch's loader asks for a whole batch here: one normalisation instead of many.
        images = (self.images[indices].float() - self.mean) / self.std
        return list(zip(images, self.labels[indices], strict=True))
