"""The order depends on seed and epoch alone, and a loader goes on where a checkpoint left it."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch import LightningDataModule, seed_everything
from torch.utils.data import Dataset, RandomSampler

from fulmen.loading import EpochSampler, ResumableLoader


class Numbers(Dataset):
    """0 to 9; counts the epochs that began."""

    def __init__(self) -> None:
        self.begun = 0

    def begin_epoch(self) -> None:
        self.begun += 1

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> int:
        return index


def loader(seed: int = 0, workers: int = 0) -> ResumableLoader:
    data = Numbers()
    sampler = EpochSampler(data, seed, current_epoch=lambda: 0)
    return ResumableLoader(data, batch_size=3, sampler=sampler, num_workers=workers)


def seen(batches) -> list[int]:
    return [int(number) for batch in batches for number in batch]


def epoch(loader: ResumableLoader, number: int) -> list[int]:
    loader.sampler.current_epoch = lambda: number
    return seen(loader)


def test_each_epoch_gives_every_item_once_in_an_order_of_its_own():
    orders = [epoch(loader(), number) for number in range(4)]

    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4


def test_the_order_depends_on_seed_and_epoch_alone():
    torch.manual_seed(5)
    first = epoch(loader(seed=7), 2)
    torch.rand(3)

    assert epoch(loader(seed=7), 2) == first
    assert epoch(loader(seed=8), 2) != first


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


def test_a_data_set_is_told_that_an_epoch_begins_at_its_first_batch():
    numbers = loader()
    batches = iter(numbers)
    before = numbers.dataset.begun
    next(batches)

    assert (before, numbers.dataset.begun) == (0, 1)


def test_a_data_module_without_a_trainer_shuffles_by_the_global_stream():
    made = ResumableLoader.of(LightningDataModule(), Numbers(), batch_size=4, shuffle=True)

    assert type(made.sampler) is RandomSampler
    assert sorted(seen(made)) == list(range(10))


def test_under_a_trainer_the_order_follows_seed_and_epoch():
    def order(seed: int, epoch: int) -> list[int]:
        seed_everything(seed, verbose=False)
        data = LightningDataModule()
        data.trainer = type("At", (), {"current_epoch": epoch})()
        return seen(ResumableLoader.of(data, Numbers(), batch_size=4, shuffle=True))

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(*key)) for key in [(1, 2), (1, 3), (2, 2)]}) == 3


@pytest.mark.parametrize(("size", "processes", "left"), [(3, 1, 9), (3, 2, 10), (4, 2, 8), (10, 1, 10)])
def test_no_training_batch_is_a_single_item(size, processes, left):
    """Batch normalisation cannot train on one whose image has shrunk to a pixel."""
    data = LightningDataModule()
    data.trainer = type("At", (), {"current_epoch": 0, "world_size": processes})()
    made = ResumableLoader.of(data, Numbers(), batch_size=size, shuffle=True)

    assert made.drop_last == (left < 10)
    assert len(set(seen(made))) == left


def test_without_shuffle_the_order_is_that_of_the_data():
    assert seen(ResumableLoader.of(LightningDataModule(), Numbers(), batch_size=3)) == list(range(10))
