"""Files in the two formats, written byte by byte from their definitions and not by the readers' helpers."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

IDX_NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def idx_bytes(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def images_and_labels(count: int, classes: int = 4, colour: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Images whose class shows: a bright column at its place over noise."""
    noise = np.random.Generator(np.random.PCG64(count))
    labels = np.arange(count) % classes
    images = noise.integers(0, 60, (count, 8, 8), dtype=np.uint8)
    images[np.arange(count), :, 2 * labels] += 150
    return (np.stack([images, images // 2, 255 - images], axis=-1) if colour else images), labels.astype(
        np.uint8
    )


@pytest.fixture
def mnist_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder in MNIST's format; arrays may be replaced by name."""

    def write(packed: bool = False, train: int = 80, test: int = 40, **replaced: np.ndarray) -> Path:
        folder = tmp_path / "mnist"
        folder.mkdir(exist_ok=True)
        parts = dict(zip(("train_images", "train_labels"), images_and_labels(train), strict=True))
        parts |= dict(zip(("test_images", "test_labels"), images_and_labels(test), strict=True))
        for name, array in (parts | replaced).items():
            content = idx_bytes(array)
            path = folder / (IDX_NAMES[name] + (".gz" if packed else ""))
            path.write_bytes(gzip.compress(content) if packed else content)
        return folder

    return write


@pytest.fixture
def medmnist_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a file in MedMNIST's layout; members may be replaced by name, or left out by None."""

    def write(colour: bool = False, **replaced: np.ndarray | bytes | None) -> Path:
        members: dict[str, np.ndarray | bytes | None] = {}
        for split, count in (("train", 80), ("val", 20), ("test", 40)):
            images, labels = images_and_labels(count, colour=colour)
            members |= {f"{split}_images": images, f"{split}_labels": labels[:, None]}
        path = tmp_path / "data.npz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in (members | replaced).items():
                if content is not None:
                    archive.writestr(
                        f"{name}.npy", content if isinstance(content, bytes) else npy_bytes(content)
                    )
        return path

    return write


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder in ImageNet's layout: colour JPEGs of several sizes, and one PNG in gray."""
    from PIL import Image

    def write(parts: tuple[str, ...] = ("train", "val", "test"), classes: int = 3, each: int = 4) -> Path:
        folder = tmp_path / "images"
        noise = np.random.Generator(np.random.PCG64(7))
        for part in parts:
            for label in range(classes):
                where = folder / part / f"n{label:08}"
                where.mkdir(parents=True)
                for number in range(each):
                    size = (14 + 5 * number, 20, 3)
                    pixels = noise.integers(0, 80, size, dtype=np.uint8)
                    pixels[:, :, label % 3] += 150  # the class shows as a colour
                    Image.fromarray(pixels).save(where / f"{part}_{number}.JPEG", quality=90)
        Image.fromarray(np.full((16, 16), 99, np.uint8)).save(folder / parts[0] / "n00000000" / "gray.png")
        (folder / parts[0] / "n00000000" / "notes.txt").write_text("not an image")
        return folder

    return write


def npy_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array)
    return buffer.getvalue()
