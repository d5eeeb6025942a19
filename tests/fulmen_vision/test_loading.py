"""The training order depends on seed and epoch alone, and a loader goes on where a checkpoint left it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fulmen_vision.labelled_images import LabelledImages
from fulmen_vision.loading import EpochSampler, ImageDataset, ResumableLoader


def numbered(count: int = 10) -> ImageDataset:
    images = np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1)
    return ImageDataset(LabelledImages(images, np.arange(count), "numbers"), np.zeros(1), np.ones(1))


def loader(seed: int = 0, workers: int = 0) -> ResumableLoader:
    data = numbered()
    sampler = EpochSampler(data, seed, current_epoch=lambda: 0)
    return ResumableLoader(data, batch_size=3, sampler=sampler, num_workers=workers)


def seen(batches) -> list[int]:
    return [int(label) for _, labels in batches for label in labels]


def epoch(loader: ResumableLoader, number: int) -> list[int]:
    loader.sampler.current_epoch = lambda: number
    return seen(loader)


def test_each_epoch_gives_every_image_once_in_an_order_of_its_own():
    orders = [epoch(loader(), number) for number in range(4)]

    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4


def test_the_order_depends_on_seed_and_epoch_alone():
    torch.manual_seed(5)
    first = epoch(loader(seed=7), 2)
    torch.rand(3)

    assert epoch(loader(seed=7), 2) == first
    assert epoch(loader(seed=8), 2) != first


def test_images_and_labels_stay_together():
    images, labels = next(iter(loader()))

    assert images.reshape(-1).tolist() == labels.tolist()


def test_a_batch_is_the_items_it_is_made_of():
    data = numbered()
    batch = data.__getitems__([4, 2])

    assert [(image.item(), label.item()) for image, label in batch] == [(4, 4), (2, 2)]
    assert all(torch.equal(a, b) for a, b in zip(batch[0], data[4], strict=True))


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("read", [1, 2, 3])
def test_a_loader_goes_on_where_it_stopped(read, workers):
    whole = epoch(loader(), 3)
    interrupted = loader()
    interrupted.sampler.current_epoch = lambda: 3
    batches = iter(interrupted)
    start = seen(next(batches) for _ in range(read))

    resumed = loader(workers=workers)
    resumed.load_state_dict(interrupted.state_dict())

    assert start + epoch(resumed, 3) == whole
    assert epoch(resumed, 4) == epoch(loader(), 4)


def test_the_state_of_a_finished_epoch_skips_nothing_of_the_next():
    finished = loader()
    epoch(finished, 3)
    resumed = loader()
    resumed.load_state_dict(finished.state_dict())

    assert epoch(resumed, 4) == epoch(loader(), 4)


def test_the_state_between_two_epochs_is_that_of_the_first():
    between = loader()
    epoch(between, 3)
    between.sampler.current_epoch = lambda: 4

    assert between.state_dict() == {"epoch": 3, "batches": 4}
