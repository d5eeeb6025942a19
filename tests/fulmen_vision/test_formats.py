"""The readers give back what independently written files hold, and refuse damaged ones by one error."""

from __future__ import annotations

import contextlib
import gzip

import numpy as np
import pytest

from fulmen_vision.format_error import FormatError
from fulmen_vision.idx_format import find_idx, read_idx
from fulmen_vision.medmnist_format import MEMBERS, read_medmnist


@pytest.mark.parametrize("packed", [False, True])
def test_idx_by_hand(tmp_path, packed):
    content = (
        b"\0\0\x08\x03" + b"\0\0\0\x02" + b"\0\0\0\x01" + b"\0\0\0\x03" + bytes([0, 1, 2, 253, 254, 255])
    )
    path = tmp_path / ("six.gz" if packed else "six")
    path.write_bytes(gzip.compress(content) if packed else content)

    array = read_idx(path, 3)

    assert array.dtype == np.uint8
    assert array.tolist() == [[[0, 1, 2]], [[253, 254, 255]]]


def test_the_unpacked_file_is_taken_where_both_exist(tmp_path):
    (tmp_path / "images.gz").touch()
    assert find_idx(tmp_path, "images") == tmp_path / "images.gz"

    (tmp_path / "images").touch()
    assert find_idx(tmp_path, "images") == tmp_path / "images"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_as_numpy_writes_it(tmp_path, save):
    draws = np.random.Generator(np.random.PCG64(1))
    arrays = {
        name: draws.integers(0, 256, (5, 4, 4) if "images" in name else (5, 1), np.uint8) for name in MEMBERS
    }
    save(tmp_path / "data.npz", **arrays, extra=np.zeros(3))

    found = read_medmnist(tmp_path / "data.npz")

    assert list(found) == list(MEMBERS)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_idx_file_is_refused_or_read_whole(mnist_folder, seed):
    path = mnist_folder(packed=seed % 2 == 0) / ("train-images-idx3-ubyte" + (".gz" if seed % 2 == 0 else ""))
    path.write_bytes(damage(path.read_bytes(), seed))

    with contextlib.suppress(FormatError):  # and nothing else
        array = read_idx(path, 3)
        assert array.dtype == np.uint8
        assert array.ndim == 3


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_npz_file_is_refused_or_read_whole(medmnist_file, seed):
    path = medmnist_file()
    path.write_bytes(damage(path.read_bytes(), seed))

    with contextlib.suppress(FormatError):  # and nothing else
        arrays = read_medmnist(path)
        assert not any(array.dtype.hasobject for array in arrays.values())


def damage(content: bytes, seed: int) -> bytes:
    """Flip up to 8 bytes, the headers' more often, and cut some of the files short."""
    draws = np.random.Generator(np.random.PCG64(seed))
    damaged = bytearray(content)
    for _ in range(draws.integers(1, 9)):
        reach = len(damaged) if draws.random() < 0.5 else 64
        place = draws.integers(reach)
        damaged[place if draws.random() < 0.7 else -1 - place] ^= draws.integers(1, 256)
    return bytes(damaged[: draws.integers(1, len(damaged))] if draws.random() < 0.3 else damaged)
