"""Promise: rows are those of the matrix whether they are kept or not, and hits are counted exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fulmen_split_parallel.cooperative.hot_rows import HotRows


@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.parametrize("width", [1, 6, 128])
def test_rows_and_hits(kind, width):
    features = np.random.default_rng(0).normal(size=(50, width)).astype(kind)
    rows, asked = HotRows(features, np.array([7, 3, 40])), np.array([3, 3, 9, 49, 40, 0])
    taken = rows.take(asked, room=10)

    assert taken.shape == (10, width)
    assert (taken[:6].numpy() == features[asked]).all()
    assert (rows.hits, rows.misses) == (3, 3)
    assert HotRows(features).take(np.empty(0, np.int64)).shape == (0, width)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_rows_kept_on_a_gpu():
    features = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    asked = np.array([3, 9, 40])
    taken = HotRows(features, np.array([3, 40]), "cuda").take(asked)

    assert taken.is_cuda
    assert (taken.cpu().numpy() == features[asked]).all()
