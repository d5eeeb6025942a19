"""Images in memory: what a batch is made of."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import DataLoader

from fulmen_vision.image_dataset import ImageDataset
from fulmen_vision.labelled_images import LabelledImages


def numbered(count: int = 10) -> ImageDataset:
    images = np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1)
    return ImageDataset(LabelledImages(images, np.arange(count), "numbers"), np.zeros(1), np.ones(1))


def test_images_and_labels_stay_together():
    images, labels = next(iter(DataLoader(numbered(), batch_size=3, shuffle=True)))

    assert images.reshape(-1).tolist() == labels.tolist()


def test_a_batch_is_the_items_it_is_made_of():
    data = numbered()
    batch = data.__getitems__([4, 2])

    assert [(image.item(), label.item()) for image, label in batch] == [(4, 4), (2, 2)]
    assert all(torch.equal(a, b) for a, b in zip(batch[0], data[4], strict=True))
