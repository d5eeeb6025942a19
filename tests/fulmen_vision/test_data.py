"""The data modules give every image once, in fixed splits, normalised, whatever file it comes from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from fulmen_vision import Digits, IdxImages, NpzImages
from fulmen_vision.normalisation import channel_moments

FASHION = Path("/usr/share/datasets/fashion-mnist")


def all_images(data, split: str) -> tuple[Tensor, Tensor]:
    loader = getattr(data, f"{split}_dataloader")()
    images, labels = zip(*loader, strict=True)
    return torch.cat(images), torch.cat(labels)


def pixels(data, split: str) -> np.ndarray:
    """Undo the normalisation."""
    data_set = data.dataset(split)
    images = torch.stack([data_set[i][0] for i in range(len(data_set))])
    return (images * data_set.std + data_set.mean).round().to(torch.uint8).numpy()


def test_digits_are_all_there_once():
    data = Digits()
    found = np.concatenate([pixels(data, split) for split in ("train", "val", "test")])
    labels = np.concatenate([data.dataset(split).labels for split in ("train", "val", "test")])
    reference = load_digits()

    key = lambda image, label: (label, image.tobytes())  # noqa: E731
    ours = sorted(map(key, found, labels.tolist()))
    theirs = sorted(map(key, reference.images.astype(np.uint8), reference.target.tolist()))
    assert ours == theirs


def test_digits_splits_are_stratified():
    data = Digits()
    shares = np.bincount(load_digits().target) / 1797

    assert [len(data.dataset(split)) for split in ("train", "val", "test")] == [997, 300, 500]
    for split, slack in (("test", 1), ("val", 2), ("train", 2)):  # val is stratified within the rest
        labels = data.dataset(split).labels.numpy()
        assert np.abs(np.bincount(labels) - shares * len(labels)).max() < slack


@pytest.mark.parametrize("seed", [1, 2])
def test_the_split_is_the_same_for_ever_whatever_the_seed_of_the_run(seed):
    torch.manual_seed(seed)
    data = Digits()

    digests = {
        split: hashlib.sha256(data.dataset(split).images.numpy().tobytes()).hexdigest()[:16]
        for split in ("train", "val", "test")
    }

    # Of the first release: who changes them changes what published figures mean.
    assert digests == {"train": "8a714de5ca2313d4", "val": "28f28d9555bf5a74", "test": "ffa483e5419dc83a"}


def test_another_split_seed_gives_another_split():
    assert not torch.equal(Digits(split_seed=1).dataset("test").images, Digits().dataset("test").images)


def test_what_is_known_of_digits():
    data = Digits()

    assert (data.num_classes, data.in_channels, data.image_size) == (10, 1, (8, 8))


def test_training_images_have_mean_0_and_spread_1():
    images, labels = all_images(Digits(), "train")

    assert images.dtype == torch.float32
    assert labels.dtype == torch.int64
    assert images.shape == (997, 1, 8, 8)
    assert abs(images.double().mean()) < 1e-5
    assert abs(images.double().std(correction=0) - 1) < 1e-5


def test_channel_moments_are_those_of_numpy():
    images = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (2500, 3, 4, 5), np.uint8)
    images[:, 2] = 7

    mean, std = channel_moments(images)

    np.testing.assert_allclose(mean, images.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std[:2], images.std(axis=(0, 2, 3))[:2], rtol=1e-12)
    assert std[2] == 1


def test_a_loader_without_a_trainer_shuffles_anew_each_time():
    loader = Digits().train_dataloader()
    first, second = (torch.cat([labels for _, labels in loader]) for _ in range(2))

    assert not torch.equal(first, second)
    assert torch.equal(first.sort().values, second.sort().values)


def test_limit_train_takes_a_stratified_part_and_changes_nothing_else():
    whole, part = Digits(), Digits(limit_train=100)

    assert len(part.dataset("train")) == 100
    assert np.bincount(part.dataset("train").labels).min() >= 9
    assert torch.equal(part.dataset("test")[0][0], whole.dataset("test")[0][0])
    assert len(part.dataset("val")) == 300


def test_evaluation_and_prediction_keep_the_order():
    data = Digits()
    images, labels = all_images(data, "test")

    assert torch.equal(labels, data.dataset("test").labels)
    assert torch.equal(all_images(data, "predict")[0], images)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_holds_out_a_stratified_part_of_the_training_images(mnist_folder, packed):
    data = IdxImages(str(mnist_folder(packed)), val_fraction=0.25)

    assert np.bincount(data.dataset("val").labels).tolist() == [5, 5, 5, 5]
    assert np.bincount(data.dataset("train").labels).tolist() == [15, 15, 15, 15]
    assert len(data.dataset("test")) == 40
    assert (data.num_classes, data.in_channels, data.image_size) == (4, 1, (8, 8))
    both = np.concatenate([pixels(data, "train"), pixels(data, "val")])[:, 0]
    written = np.frombuffer((mnist_folder() / "train-images-idx3-ubyte").read_bytes()[16:], np.uint8)
    assert sorted(image.tobytes() for image in both) == sorted(
        image.tobytes() for image in written.reshape(-1, 64)
    )


@pytest.mark.parametrize("colour", [False, True])
def test_npz_gives_back_the_images_of_its_file(medmnist_file, colour):
    path = medmnist_file(colour)
    data = NpzImages(str(path))

    written = np.load(path)["test_images"]
    expected = written.transpose(0, 3, 1, 2) if colour else written[:, None]
    np.testing.assert_array_equal(pixels(data, "test"), expected)
    assert data.dataset("test").labels.tolist() == np.load(path)["test_labels"].reshape(-1).tolist()
    assert (data.num_classes, data.in_channels, data.image_size) == (4, 3 if colour else 1, (8, 8))


def test_npz_takes_flat_labels(medmnist_file):
    data = NpzImages(str(medmnist_file(val_labels=np.arange(20) % 4)))

    assert data.dataset("val").labels.tolist() == [0, 1, 2, 3] * 5


def test_a_label_map_merges_classes(medmnist_file):
    data = NpzImages(str(medmnist_file()), label_map={0: 0, 1: 0, 2: 0, 3: 1})

    assert data.num_classes == 2
    assert np.bincount(data.dataset("train").labels).tolist() == [60, 20]


def test_a_class_may_have_no_image_if_the_user_says_so(medmnist_file):
    assert NpzImages(str(medmnist_file()), num_classes=6).num_classes == 6


@pytest.mark.skipif(not FASHION.is_dir(), reason="apt-get install dataset-fashion-mnist")
def test_fashion_mnist_as_debian_installs_it():
    data = IdxImages()

    assert [len(data.dataset(split)) for split in ("train", "val", "test")] == [54_000, 6_000, 10_000]
    for split in ("train", "val", "test"):
        assert len(set(np.bincount(data.dataset(split).labels).tolist())) == 1
    # The figures that Fashion-MNIST's users quote: 0.2860 and 0.3530 of 255.
    assert data.dataset("train").mean.item() / 255 == pytest.approx(0.2860, abs=1e-3)
    assert data.dataset("train").std.item() / 255 == pytest.approx(0.3530, abs=1e-3)
