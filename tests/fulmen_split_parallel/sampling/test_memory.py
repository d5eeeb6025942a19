"""Rows of features, gathered into memory that is used again, and never while someone holds it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fulmen_split_parallel.sampling.allocator import keep_freed_memory
from fulmen_split_parallel.sampling.buffers import BufferPool
from fulmen_split_parallel.sampling.feature_rows import FeatureRows


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 3, 100, 128])
def test_rows_are_those_asked_for_bit_by_bit(dtype, width):
    features = np.random.default_rng(0).normal(size=(50, width)).astype(dtype)
    wanted = np.array([49, 0, 0, 7], np.int64)
    features[7, 0] = -0.0

    rows = FeatureRows(features).take(wanted)

    assert rows.dtype == dtype
    assert rows.tobytes() == features[wanted].tobytes()
    assert FeatureRows(features).take(wanted[:0]).shape == (0, width)


def test_mapped_features_need_not_be_read(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(12, dtype=np.float32).reshape(4, 3))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")

    np.testing.assert_array_equal(FeatureRows(mapped).take(np.array([2])), [[6, 7, 8]])


def test_memory_is_used_again_but_never_while_it_is_held():
    rows = FeatureRows(np.arange(40, dtype=np.float32).reshape(10, 4))
    first = torch.from_numpy(rows.take(np.array([1, 2])))
    place = first.data_ptr()
    part = first[1]
    del first

    second = torch.from_numpy(rows.take(np.array([3, 4])))
    assert second.data_ptr() != place
    assert part.tolist() == [8, 9, 10, 11]

    del part
    assert torch.from_numpy(rows.take(np.array([5]))).data_ptr() == place


def test_a_pool_keeps_a_bounded_number_of_blocks_and_lets_them_grow():
    pool = BufferPool(most=2)
    held = [pool.empty((size, 2), np.int64) for size in (1, 2, 3, 4)]
    for number, array in enumerate(held):
        array[:] = number
    assert [int(array.min()) for array in held] == [0, 1, 2, 3]

    held.clear()
    large = pool.empty((1000,), np.float32)
    large[:] = 1
    assert len({id(block) for block in pool._blocks}) == 2
    assert max(len(block) for block in pool._blocks) >= 4000


def test_the_allocator_says_whether_it_listens():
    assert keep_freed_memory() is _glibc()


def _glibc() -> bool:
    import platform

    return platform.libc_ver()[0] == "glibc"
