"""Each bad file or folder is one line that names it, what was found, what was expected and the remedy."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fulmen
from fulmen.errors import DataError
from fulmen_vision import Digits, IdxImages, NpzImages
from fulmen_vision.digits import PluginError

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def refusal(data) -> str:
    with pytest.raises(DataError) as caught:
        data.setup("fit")
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.exit_status == 2
    return message


def idx_header(*sizes: int) -> bytes:
    return bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


BAD_IDX = {
    "missing folder": (lambda f: shutil.rmtree(f), "mnist: does not exist; expected a folder with"),
    "empty folder": (lambda f: [p.unlink() for p in f.iterdir()], f"mnist: holds nothing; expected {IMAGES}"),
    "missing file": (lambda f: (f / LABELS).unlink(), f"expected {LABELS} or {LABELS}.gz"),
    "a folder in place of a file": (
        lambda f: [(f / IMAGES).unlink(), (f / IMAGES).mkdir()],
        f"{IMAGES}: cannot be read (Is a directory)",
    ),
    "another format": (
        lambda f: (f / IMAGES).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64)),
        f"{IMAGES}: starts with bytes 89 50 4e 47; expected 00 00 08 03",
    ),
    "labels in place of images": (
        lambda f: shutil.copy(f / LABELS, f / IMAGES),
        f"{IMAGES}: starts with bytes 00 00 08 01; expected 00 00 08 03",
    ),
    "an empty file": (lambda f: (f / IMAGES).write_bytes(b""), f"{IMAGES}: starts with bytes (none)"),
    "floats": (
        lambda f: (f / IMAGES).write_bytes(b"\0\0\x0d\x03" + bytes(64)),
        f"{IMAGES}: starts with bytes 00 00 0d 03",
    ),
    "cut within the header": (
        lambda f: (f / IMAGES).write_bytes((f / IMAGES).read_bytes()[:9]),
        f"{IMAGES}: ends within its header; expected 16 bytes or more",
    ),
    "truncated": (
        lambda f: (f / IMAGES).write_bytes((f / IMAGES).read_bytes()[:1016]),
        f"{IMAGES}: only 1,000 bytes follow the header, which promises 5,120",
    ),
    "too long": (
        lambda f: (f / IMAGES).write_bytes((f / IMAGES).read_bytes() + b"x"),
        f"{IMAGES}: more follow the header, which promises 5,120",
    ),
    "no images": (lambda f: (f / IMAGES).write_bytes(idx_header(0, 8, 8)), f"{IMAGES}: has sizes (0, 8, 8)"),
    "absurd sizes": (
        lambda f: (f / IMAGES).write_bytes(idx_header(2**32 - 1, 2**31, 2**31)),
        f"{IMAGES}: the header claims 19,807,040,6",
    ),
    "too many to hold": (
        lambda f: [
            (f / IMAGES).unlink(),
            (f / f"{IMAGES}.gz").write_bytes(gzip.compress(idx_header(2**28, 8, 8) + bytes(1 << 24), 0)),
        ],
        f"{IMAGES}.gz: holds 17,179,869,184 bytes; expected at most 8,589,934,592",
    ),
    "absurd sizes, packed": (
        lambda f: [
            (f / IMAGES).unlink(),
            (f / f"{IMAGES}.gz").write_bytes(gzip.compress(idx_header(2**31, 8, 8))),
        ],
        f"{IMAGES}.gz: the header claims 137,438,953,472 bytes, the file has",
    ),
    "not gzip": (
        lambda f: (f / IMAGES).rename(f / f"{IMAGES}.gz"),
        f"{IMAGES}.gz: starts with bytes 00 00; expected 1f 8b",
    ),
    "truncated gzip": (
        lambda f: [
            (f / f"{IMAGES}.gz").write_bytes(gzip.compress((f / IMAGES).read_bytes())[:-20]),
            (f / IMAGES).unlink(),
        ],
        f"{IMAGES}.gz: is a damaged gzip file",
    ),
    "gzip without .gz": (
        lambda f: (f / IMAGES).write_bytes(gzip.compress((f / IMAGES).read_bytes())),
        f"{IMAGES}: starts with bytes 1f 8b 08 00; expected 00 00 08 03",
    ),
    "counts differ": (
        lambda f: (f / LABELS).write_bytes(idx_header(79) + bytes(79)),
        "mnist: train: has 80 images and 79 labels; expected as many of each",
    ),
    "a label that training lacks": (
        lambda f: (f / "t10k-labels-idx1-ubyte").write_bytes(idx_header(40) + bytes(39) + b"\x04"),
        "mnist: t10k: has label 4 (1 such in all); expected 0 to 3",
    ),
    "classes with a gap": (
        lambda f: (f / LABELS).write_bytes(idx_header(80) + bytes([1, 2] * 40)),
        "mnist: train: labels are 1, 2; expected 0, 1, ... without a gap",
    ),
    "test images of another size": (
        lambda f: (f / "t10k-images-idx3-ubyte").write_bytes(idx_header(40, 9, 8) + bytes(40 * 72)),
        "mnist: t10k: images are (1, 9, 8) (channels, height, width); expected (1, 8, 8)",
    ),
}


@pytest.mark.parametrize("case", BAD_IDX)
def test_bad_idx(mnist_folder, case):
    spoil, expected = BAD_IDX[case]
    folder = mnist_folder()
    spoil(folder)

    message = refusal(IdxImages(str(folder)))

    assert message.startswith(str(folder))
    assert expected in message


def test_labels_outside_the_classes_that_the_user_names(mnist_folder):
    message = refusal(IdxImages(str(mnist_folder()), num_classes=3))

    assert (
        "mnist: train: has label 3 (18 such in all); expected 0 to 2: correct the labels, or num_classes"
        in message
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(mnist_folder):
    (mnist_folder() / IMAGES).chmod(0)

    assert "cannot be read (Permission denied)" in refusal(IdxImages(str(mnist_folder())))


def header_for(shape: str, dtype: str = "|u1") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


IMAGE_ARRAY = np.zeros((80, 8, 8), np.uint8)
BAD_MEMBERS = {
    "missing member": ({"val_labels": None}, "data.npz: has no val_labels.npy (it holds test_images.npy, "),
    "objects": (
        {"val_labels": header_for("(20,)", "|O") + b"cos\nsystem\n(S'true'\ntR."},
        "data.npz: val_labels.npy: holds Python objects (object)",
    ),
    "not an array": ({"val_labels": b"hello"}, "data.npz: is not a whole .npz file"),
    "header of another length": (
        {"train_images": header_for("(81, 8, 8)") + bytes(80 * 64)},
        "train_images.npy: the header promises 5,184 bytes for (81, 8, 8) uint8, 5,120 follow",
    ),
    "absurd sizes": (
        {"train_images": header_for("(1000000000000000, 8, 8)")},
        "train_images.npy: the header promises 64,000,000,000,000,000 bytes",
    ),
    "float images": (
        {"train_images": IMAGE_ARRAY.astype(np.float32)},
        "data.npz: train: images are float32 of shape (80, 8, 8); expected uint8",
    ),
    "volumes": (
        {"train_images": np.zeros((80, 8, 8, 8), np.uint8)},
        "data.npz: train: images are uint8 of shape (80, 8, 8, 8); expected uint8 of shape (n, h, w) or",
    ),
    "several labels per image": (
        {"train_labels": np.zeros((80, 14), np.uint8)},
        "data.npz: train: labels are uint8 of shape (80, 14); expected integers of shape (n,) or (n, 1)",
    ),
    "float labels": ({"train_labels": np.zeros(80)}, "data.npz: train: labels are float64 of shape (80,)"),
    "counts differ": (
        {"val_images": np.zeros((19, 8, 8), np.uint8)},
        "data.npz: val: has 19 images and 20 labels; expected as many of each",
    ),
    "no images": (
        {"val_images": np.zeros((0, 8, 8), np.uint8), "val_labels": np.zeros((0, 1), np.uint8)},
        "data.npz: val: has 0 images and 0 labels; expected as many of each, and at least one",
    ),
    "a negative label": (
        {"test_labels": np.full(40, -1)},
        "data.npz: test: has label -1 (40 such in all); expected 0 to 3",
    ),
}


@pytest.mark.parametrize("case", BAD_MEMBERS)
def test_bad_npz_member(medmnist_file, case):
    members, expected = BAD_MEMBERS[case]
    path = medmnist_file(**members)

    message = refusal(NpzImages(str(path)))

    assert message.startswith(str(path))
    assert expected in message


def flip_stored_byte(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        arrays = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in arrays.items():
            archive.writestr(name, content)
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)


def claim_to_unpack_a_petabyte(path: Path) -> None:
    content = path.read_bytes()
    entry = content.index(b"PK\x01\x02")  # the central directory's first entry: train_images.npy
    path.write_bytes(content[: entry + 24] + b"\xfe\xff\xff\xff" + content[entry + 28 :])


BAD_ARCHIVES = {
    "missing": (lambda p: p.unlink(), "data.npz: does not exist; expected a .npz file"),
    "a folder": (lambda p: [p.unlink(), p.mkdir()], "data.npz: is a folder; expected a .npz file"),
    "empty": (lambda p: p.write_bytes(b""), "data.npz: is not a whole .npz file"),
    "not a zip": (lambda p: p.write_bytes(b"GIF89a" + bytes(500)), "(File is not a zip file)"),
    "one .npy": (lambda p: p.write_bytes(header_for("(5,)") + b"hello"), "(File is not a zip file)"),
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:-300]), "(File is not a zip file)"),
    "a flipped bit": (flip_stored_byte, "(Bad CRC-32 for file 'train_images.npy')"),
    "a zip bomb": (claim_to_unpack_a_petabyte, "train_images.npy: the header claims 4,294,967,294 bytes"),
}


@pytest.mark.parametrize("case", BAD_ARCHIVES)
def test_bad_npz_file(medmnist_file, case):
    spoil, expected = BAD_ARCHIVES[case]
    path = medmnist_file()
    spoil(path)

    message = refusal(NpzImages(str(path)))

    assert message.startswith(str(path))
    assert expected in message


def test_a_label_that_the_map_lacks(medmnist_file):
    message = refusal(NpzImages(str(medmnist_file()), label_map={0: 0, 1: 1, 2: 1}))

    assert "data.npz: train: has label 3; expected one of the label map's [0, 1, 2]" in message


def test_a_pickle_is_never_loaded(medmnist_file, tmp_path):
    canary = tmp_path / "canary"
    payload = f"cos\nsystem\n(S'touch {canary}'\ntR.".encode()
    path = medmnist_file(train_images=header_for("()", "|O") + payload)

    refusal(NpzImages(str(path)))

    assert not canary.exists()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Digits(batch_size=0), "data: batch_size is 0; expected 1 or more"),
        (lambda: Digits(num_workers=-1), "data: num_workers is -1; expected 0 or more"),
        (lambda: Digits(split_seed=-1), "data: split_seed is -1; expected 0 or more"),
        (lambda: Digits(limit_train=0), "data: limit_train is 0; expected 1 or more"),
        (lambda: Digits(limit_train=998).setup(), "data: limit_train is 998; there are 997 training images"),
        (lambda: Digits(val_size=1000, test_size=797).setup(), "data: val_size is 1000 and test_size 797"),
        (lambda: IdxImages(val_fraction=1.0), "data: val_fraction is 1.0; expected above 0 and below 1"),
    ],
)
def test_options_out_of_range(make, expected):
    with pytest.raises(fulmen.UserError) as caught:
        make()

    assert expected in str(caught.value)


def test_a_fraction_that_rounds_to_nothing(mnist_folder):
    with pytest.raises(fulmen.UserError, match=r"val_fraction 0\.001 of 80 training images is 0"):
        IdxImages(str(mnist_folder()), val_fraction=0.001).setup()


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)

    with pytest.raises(PluginError, match=r"pip install 'fulmen\[vision\]'"):
        Digits().setup()
