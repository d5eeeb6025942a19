"""Image folders: the classes, the crops against independent references, resuming, and bad folders."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from PIL import Image
from torch import nn

from fulmen import UserError
from fulmen.errors import DataError
from fulmen_vision import ImageFolder
from fulmen_vision.crops import middle_crop, random_box, random_crop, uniforms

SMALL = {"resize": 12, "crop": 8, "batch_size": 4}


def picture(width: int, height: int) -> Image.Image:
    """Smooth colours, so that rounding alone can differ between two ways of resizing."""
    x, y = np.meshgrid(np.linspace(0, 3, width), np.linspace(0, 2, height))
    waves = [np.sin(x + k) * np.cos(y * (k + 1)) for k in range(3)]
    return Image.fromarray((127 + 120 * np.stack(waves, -1)).astype(np.uint8))


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float()


# Classes.


def test_class_k_is_the_kth_folder_by_name(image_folder):
    data = ImageFolder(str(image_folder()), **SMALL)

    assert data.num_classes == 3
    assert (data.in_channels, data.image_size) == (3, (8, 8))
    assert [len(data.dataset(part)) for part in ("train", "val", "test")] == [13, 12, 12]
    assert data.dataset("train").labels.tolist() == [0] * 5 + [1] * 4 + [2] * 4
    for index in range(12):
        image, label = data.dataset("val")[index]
        assert int(image.mean((1, 2)).argmax()) == label  # the class shows as a colour


def test_one_part_may_serve_twice_and_training_may_be_missing(image_folder):
    data = ImageFolder(str(image_folder(("val",))), train=None, test="val", **SMALL)

    assert len(data.dataset("test")) == 13
    with pytest.raises(UserError, match="train is null"):
        data.train_dataloader()


def test_a_class_list_numbers_the_classes(image_folder, tmp_path):
    names = tmp_path / "classes.txt"
    names.write_text("n00000002\nn99999999\n\nn00000000\nn00000001\n")
    data = ImageFolder(str(image_folder()), classes=str(names), **SMALL)

    assert data.num_classes == 4
    assert data.dataset("train").labels.tolist() == [2] * 5 + [3] * 4 + [0] * 4


def test_limit_train_is_stratified_and_the_same_for_every_seed(image_folder):
    folder = str(image_folder())
    chosen = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        chosen.append(list(ImageFolder(folder, limit_train=6, **SMALL).dataset("train").files.paths))

    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 6
    with pytest.raises(UserError, match="limit_train is 14; there are 13 training images"):
        ImageFolder(folder, limit_train=14, **SMALL).setup()


# Crops.


@pytest.mark.parametrize(("width", "height"), [(500, 375), (375, 500), (300, 300), (40, 31)])
def test_the_middle_crop_is_a_resized_image_cut_in_the_middle(width, height):
    image = picture(width, height)
    found = middle_crop(image, resize=64, size=56)

    shorter = min(width, height)
    size = (64 * height // shorter, 64 * width // shorter)
    resized = F.interpolate(as_tensor(image)[None], size, mode="bilinear", antialias=True)[0]
    top, left = round((size[0] - 56) / 2), round((size[1] - 56) / 2)
    expected = resized[:, top : top + 56, left : left + 56]

    assert found.shape == (3, 56, 56)
    assert (torch.from_numpy(found).float() - expected).abs().max() <= 1.01  # Pillow rounds twice


def test_the_pixels_are_normalised_as_torchvisions_checkpoints_expect(image_folder):
    data = ImageFolder(str(image_folder()), **SMALL)
    gray = next(i for i, path in enumerate(data.dataset("train").files.paths) if path.endswith("gray.png"))
    plain = ImageFolder(str(data.folder), augment=False, **SMALL)

    image, _ = plain.dataset("train")[gray]

    expected = [(99 / 255 - m) / s for m, s in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)]
    assert image.dtype == torch.float32
    torch.testing.assert_close(image, torch.tensor(expected).view(3, 1, 1).expand(3, 8, 8))


def test_random_boxes_fill_the_published_range_and_fit():
    boxes = [random_box(100, 80, uniforms(1, 0, index, 40)) for index in range(2000)]
    areas = np.array([box.width * box.height / 8000 for box in boxes])
    ratios = np.array([box.width / box.height for box in boxes])

    assert all(
        box.left >= 0 and box.top >= 0 and box.left + box.width <= 100 and box.top + box.height <= 80
        for box in boxes
    )
    assert 0.07 < areas.min() < 0.1
    assert areas.max() > 0.95
    assert ratios.min() == pytest.approx(0.75, abs=0.04)
    assert ratios.max() == pytest.approx(4 / 3, abs=0.06)


@pytest.mark.parametrize(("width", "height"), [(1000, 3), (3, 1000), (1, 1)])
def test_a_strip_that_no_attempt_fits_gives_its_middle(width, height):
    box = random_box(width, height, np.full(40, 0.9))

    assert 0 < box.width <= width
    assert 0 < box.height <= height
    assert 0.5 <= box.width / box.height <= 2


def test_a_random_crop_is_the_box_resized_and_half_of_them_mirrored():
    image = picture(60, 50)
    mirrored = 0
    for index in range(200):
        draws = uniforms(3, 1, index, 41)
        left, top, width, height = random_box(60, 50, draws[:40])
        part = as_tensor(image)[:, top : top + height, left : left + width]
        expected = F.interpolate(part[None], (16, 16), mode="bilinear", antialias=True)[0]
        if draws[40] < 0.5:
            expected, mirrored = expected.flip(2), mirrored + 1
        found = torch.from_numpy(random_crop(image, 16, draws)).float()
        assert (found - expected).abs().max() <= 1.01

    assert 70 < mirrored < 130


def test_the_draws_depend_on_seed_epoch_and_image():
    drawn = {uniforms(*key, 1)[0] for key in ((1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1))}

    assert len(drawn) == 4
    # Of the first release: who changes it changes what resumed runs see.
    assert uniforms(1, 2, 3, 2).tolist() == uniforms(1, 2, 3, 5)[:2].tolist()


# Order and resuming.


class Remember(LightningModule):
    """A network too small to matter, that keeps what it was shown."""

    def __init__(self):
        super().__init__()
        self.layer, self.seen = nn.Linear(3, 3), []

    def training_step(self, batch, batch_idx):
        self.seen.append((self.trainer.current_epoch, batch[0].clone(), batch[1].clone()))
        return F.cross_entropy(self.layer(batch[0].mean((2, 3))), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(folder, workers=0, resume=None, callbacks=(), **options):
    seed_everything(1, verbose=False)
    model = Remember()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(
        accelerator="cpu", max_epochs=3, callbacks=[*callbacks], limit_val_batches=0, **quiet, **options
    )
    trainer.fit(model, ImageFolder(str(folder), num_workers=workers, **SMALL), ckpt_path=resume)
    return model


@pytest.mark.filterwarnings("ignore::UserWarning:lightning")
def test_crops_change_with_the_epoch_and_not_with_the_number_of_processes(image_folder):
    folder = image_folder(each=5)
    here, elsewhere = fit(folder, enable_checkpointing=False), fit(folder, 2, enable_checkpointing=False)

    assert len(here.seen) == 12  # 16 images in batches of 4, three epochs
    assert [e for e, *_ in here.seen] == [e for e, *_ in elsewhere.seen]
    assert all(torch.equal(a[1], b[1]) for a, b in zip(here.seen, elsewhere.seen, strict=True))
    epochs = [torch.cat([x for e, x, _ in here.seen if e == epoch]).sum() for epoch in range(3)]
    assert len({float(total) for total in epochs}) == 3


@pytest.mark.filterwarnings("ignore::UserWarning:lightning")
@pytest.mark.parametrize("step", [4, 6], ids=["epoch end", "mid-epoch"])
def test_a_resumed_run_sees_the_pixels_of_an_uninterrupted_one(image_folder, tmp_path, step):
    folder = image_folder(each=5)
    saver = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=step, save_top_k=-1)
    whole = fit(folder, callbacks=[saver])

    rest = fit(folder, resume=tmp_path / f"step={step}.ckpt", enable_checkpointing=False)

    assert len(rest.seen) == 12 - step
    assert all(torch.equal(a[1], b[1]) for a, b in zip(whole.seen[step:], rest.seen, strict=True))


def test_without_a_trainer_each_pass_is_another_epoch(image_folder):
    data = ImageFolder(str(image_folder()), **SMALL)
    passes = [torch.cat([images for images, _ in data.train_dataloader()]).sum() for _ in range(2)]

    assert passes[0] != passes[1]


# Bad folders.


def cut(path):
    path.write_bytes(path.read_bytes()[:300])


BAD = {
    "no folder": (lambda f: shutil.rmtree(f), "images/train: does not exist; expected a folder with"),
    "no part": (lambda f: shutil.rmtree(f / "test"), "images/test: does not exist; expected a folder with"),
    "a file for a folder": (
        lambda f: [shutil.rmtree(f), f.write_text("")],
        "images: is a file; expected a folder with",
    ),
    "no classes": (
        lambda f: [shutil.rmtree(f / "train"), (f / "train").mkdir()],
        "images/train: has no folders in it; expected one folder of images a class",
    ),
    "an unknown class": (
        lambda f: (f / "val" / "n00000001").rename(f / "val" / "cats"),
        "images/val/cats: is not one of the 3 classes (n00000000, ...)",
    ),
    "a class without images": (
        lambda f: [p.unlink() for p in (f / "val" / "n00000001").iterdir()],
        "images/val/n00000001: has no images; expected files that end in .jpg, .jpeg, .png",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_folder_is_one_line_that_names_it(image_folder, case):
    spoil, expected = BAD[case]
    folder = image_folder()
    spoil(folder)

    with pytest.raises(DataError) as caught:
        ImageFolder(str(folder), **SMALL).setup()

    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    "spoil",
    [cut, lambda p: p.write_bytes(b""), lambda p: p.write_text("GIF89a?")],
    ids=["cut", "empty", "text"],
)
def test_an_image_that_cannot_be_decoded_is_named(image_folder, spoil, workers):
    folder = image_folder()
    bad = folder / "val" / "n00000001" / "val_2.JPEG"
    spoil(bad)
    data = ImageFolder(str(folder), num_workers=workers, **SMALL)

    with pytest.raises(DataError) as caught:
        list(data.val_dataloader())

    assert str(caught.value).startswith(f"{bad}: cannot be decoded (")
    assert str(caught.value).endswith("expected an image of 8 bits a channel: replace or remove it.")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "does not exist; expected a text file, one class folder a line"),
        (b"", "is empty; expected one class folder a line"),
        (b"a\nb\na\n", "names 'a' twice"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
    ],
)
def test_a_bad_class_list(image_folder, tmp_path, content, expected):
    names = tmp_path / "classes.txt"
    if content is not None:
        names.write_bytes(content)

    with pytest.raises(DataError) as caught:
        ImageFolder(str(image_folder()), classes=str(names), **SMALL).setup()

    assert str(caught.value).startswith(f"{names}: ")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"crop": 300}, "data: crop is 300 and resize 256"),
        ({"crop": 0}, "data: crop is 0 and resize 256"),
        ({"std": (0.2, 0.0, 0.2)}, "data: std is (0.2, 0.0, 0.2); expected three numbers above 0"),
        ({"batch_size": 0}, "data: batch_size is 0; expected 1 or more"),
    ],
)
def test_options_out_of_range(options, expected):
    with pytest.raises(UserError) as caught:
        ImageFolder("nowhere", **options)

    assert expected in str(caught.value)


def test_more_class_folders_than_classes(image_folder):
    with pytest.raises(DataError, match="has 3 classes; expected at most num_classes 2"):
        ImageFolder(str(image_folder()), num_classes=2, **SMALL).setup()


def test_without_pillow_the_extra_is_named(monkeypatch, image_folder):
    folder = image_folder()
    monkeypatch.setitem(sys.modules, "PIL", None)

    with pytest.raises(UserError, match=r"needs Pillow.*pip install 'fulmen\[vision\]'"):
        ImageFolder(str(folder), **SMALL).setup()
