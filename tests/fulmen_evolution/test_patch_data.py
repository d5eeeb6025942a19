"""Patches in files: read, split by slide, refused in one line where something is wrong."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from PIL import Image

import fulmen
from fulmen.errors import DataError
from fulmen_evolution.patch_data import SyntheticTIL, TILPatches

SIZE = 24


@pytest.fixture
def folder(tmp_path):
    generator = np.random.default_rng(0)
    for slide in range(9):
        where = tmp_path / "til" / f"part{slide % 2}"
        where.mkdir(parents=True, exist_ok=True)
        for number in range(6):
            pixels = generator.integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(where / f"s{slide}_{number}_{number % 2}.png")
    return tmp_path / "til"


def read(folder, **options):
    data = TILPatches(str(folder), **{"crop": 16, "val_share": 0.2, "test_share": 0.2, **options})
    data.setup()
    return data


def slides(source):
    return {file.slide for file in source._files}


def test_no_slide_is_in_two_parts_and_shares_are_kept(folder):
    data = read(folder)
    parts = {name: slides(source) for name, source in data._sources.items()}

    assert sorted(slide for part in parts.values() for slide in part) == [f"s{n}" for n in range(9)]
    assert {name: len(part) for name, part in parts.items()} == {"train": 5, "val": 2, "test": 2}
    assert {name: slides(s) for name, s in read(folder)._sources.items()} == parts
    assert {name: slides(s) for name, s in read(folder, split_seed=3)._sources.items()} != parts


def test_labels_and_pixels_are_those_of_the_files(folder):
    data = read(folder, batch_size=64)
    (images, labels), source = next(iter(data.test_dataloader())), data._sources["test"]
    for image, label, file in zip(images, labels, source._files, strict=True):
        expected = np.asarray(Image.open(file.path), dtype=np.float32)[4:20, 4:20].transpose(2, 0, 1)
        np.testing.assert_allclose(image.numpy(), (expected - 200) / 50, atol=1e-6)
        assert int(label) == int(file.path.stem[-1])
    assert data.test_dataloader().dataset.names == [str(file.path) for file in source._files]


def test_a_table_stands_in_the_place_of_the_names(folder, tmp_path):
    names = sorted(folder.rglob("*.png"))
    lines = ["path,label,slide,split"]
    for number, name in enumerate(names):
        slide = number // 6
        split = ("train", "val", "test")[min(slide // 3, 2)]
        lines.append(f"{name.relative_to(folder)},{number % 2},t{slide},{split}")
    table = tmp_path / "table.csv"
    table.write_text("\n".join(lines))
    data = read(folder, table=str(table))

    assert {name: len(slides(source)) for name, source in data._sources.items()} == {
        "train": 3,
        "val": 3,
        "test": 3,
    }


def _rename(folder):
    next(folder.rglob("*.png")).rename(folder / "s1_3_2.png")


def _resize(folder):
    Image.fromarray(np.zeros((SIZE, SIZE + 1, 3), np.uint8)).save(folder / "zz_1_0.png")


def _no_png(folder):
    (folder / "zz_1_0.png").write_bytes(b"hello")


def _empty(folder):
    for path in folder.rglob("*.png"):
        path.unlink()


def _one_label(folder):
    for path in folder.rglob("*_1.png"):
        path.unlink()


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_rename, "its name ends in '2'; expected _0 or _1"),
        (_resize, "is 25 x 24 pixels; expected 24 x 24"),
        (_no_png, "is no PNG file"),
        (_empty, "has no .png files"),
        (_one_label, "has only label 0"),
    ],
    ids=lambda harm: getattr(harm, "__name__", ""),
)
def test_a_bad_folder_is_refused_in_one_line(folder, harm, told):
    harm(folder)
    with pytest.raises(DataError, match=told) as refused:
        read(folder)
    assert "\n" not in str(refused.value)


def test_a_folder_that_is_none_and_a_crop_that_is_too_large_are_refused(folder):
    with pytest.raises(DataError, match="does not exist; expected a folder"):
        read(folder / "nowhere")
    (folder / "notes.txt").touch()
    with pytest.raises(DataError, match=r"notes\.txt: is a file; expected a folder"):
        read(folder / "notes.txt")
    with pytest.raises(DataError, match="expected 64 or more for crop 64"):
        read(folder, crop=64)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_named_when_it_is_read(folder, workers):
    data = read(folder, num_workers=workers)
    file = data._sources["test"]._files[0].path
    file.write_bytes(file.read_bytes()[:60])

    with pytest.raises(DataError) as refused:
        next(iter(data.test_dataloader()))

    assert str(refused.value).startswith(f"{file}: cannot be decoded (")
    assert str(refused.value).endswith("expected a PNG image of 8 bits a channel: replace or remove it.")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("file,label\n", "has no column 'path'"),
        ("path,label\n", "has no rows"),
        ("path,label\nA,2\n", "line 2: label is '2'"),
        ("path,label\nnowhere.png,1\n", "line 2: .*nowhere.png does not exist"),
        ("path,label,split\nA,1,training\n", "line 2: split is 'training'"),
        ("path,label,split\nA,1,train\nB,0,\n", "1 of 2 lines name a split"),
        ("path,label,slide,split\nA,1,x,train\nB,0,x,test\n", "slide x is in train and in test.* correct it"),
        (
            "path,label,split\nA,1,train\nB,0,test\n",
            "slide s0, by the first field of the names, is in train and in test; .*give a column slide",
        ),
        ("path,label,slide\nA,1,x\nA,1,y\n", r"line 3: .*\.png stands in line 2 already"),
        ("path,label,slide\nA,1,x\nB,0,\n", "line 3: names no slide; expected one in each line"),
        ("path,label\nA,1\nB,0\n", "expected both labels in each part"),
    ],
)
def test_a_bad_table_is_refused_in_one_line(folder, tmp_path, text, told):
    first, second = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))[:2]
    table = tmp_path / "t.csv"
    table.write_text(text.replace("A,", f"{first},").replace("B,", f"{second},"))
    with pytest.raises(DataError, match=told) as refused:
        read(folder, table=str(table))
    assert "\n" not in str(refused.value)


def test_a_table_of_excels_is_read_and_lines_are_counted_as_an_editor_does(folder, tmp_path):
    names = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*.png"))]
    table = tmp_path / "t.csv"
    lines = ["path,label", *(f"{name},{name[-5]}" for name in names)]
    table.write_text("\r\n".join(lines), encoding="utf-8-sig")
    assert sum(len(source.labels) for source in read(folder, table=str(table))._sources.values()) == 54

    table.write_text("\n\n".join([*lines[:3], "nowhere.png,1"]))
    with pytest.raises(DataError, match=r"line 7: .*nowhere.png"):
        read(folder, table=str(table))


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (lambda n: f"{n:04d}_{n % 2}", "60 patches of 60 slides, by the first fields of their names"),
        (lambda n: f"S{n // 20}/{n % 20 // 4}_{n}_{n % 2}", r"slide 0, .* is in .*S0 and .*S1"),
        (lambda n: f"{n % 2}/s{n // 6}_{n}_{n % 2}", None),  # a folder for each class
        (lambda n: f"s{n // 6}_{n}_{n % 2}", None),
    ],
)
def test_names_that_hardly_begin_with_a_slide_are_told(tmp_path, named, told):
    for number in range(60):
        path = tmp_path / f"{named(number)}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (SIZE, SIZE)).save(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read(tmp_path)
    said = [str(warning.message) for warning in caught if "slide" in str(warning.message)]

    assert len(said) == (told is not None)
    assert told is None or re.search(told, said[0])


def test_an_image_of_sixteen_bits_is_refused_not_cut_off(folder):
    data = read(folder)
    file = data._sources["test"]._files[0].path
    Image.fromarray(np.full((SIZE, SIZE), 3000, dtype=np.uint16)).save(file)

    with pytest.raises(DataError, match=r"more than 8 bits a channel, mode I"):
        next(iter(data.test_dataloader()))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: TILPatches("x", val_share=0.6, test_share=0.5), "less than 1 together"),
        (lambda: TILPatches("x", crop=0), "crop is 0"),
        (lambda: SyntheticTIL(train_size=0), "train_size is 0"),
        (lambda: SyntheticTIL(size=9), "size is 9"),
        (lambda: SyntheticTIL(data_seed=-1), "data_seed is -1"),
        (lambda: SyntheticTIL(batch_size=0), "batch_size is 0"),
    ],
)
def test_bad_options_are_refused(make, told):
    with pytest.raises(fulmen.UserError, match=told):
        make()


def test_kept_patches_are_those_that_were_made_and_damage_is_named(tmp_path):
    def made(**options):
        data = SyntheticTIL(4, 3, 2, size=32, **options)
        data.setup()
        return data

    plain, first, again = made(), made(cache=str(tmp_path)), made(cache=str(tmp_path))
    (file,) = tmp_path.glob("*.npz")
    for split in ("train", "val", "test"):
        for other in (first, again):
            assert np.array_equal(plain._sources[split].patches, other._sources[split].patches)
            assert np.array_equal(plain._sources[split].labels, other._sources[split].labels)
    made(cache=str(tmp_path), data_seed=1)
    assert len(list(tmp_path.glob("*.npz"))) == 2

    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(DataError, match="remove it, and they are made anew"):
        made(cache=str(tmp_path))


def test_a_patch_does_not_depend_on_how_many_there_are():
    few, many = SyntheticTIL(3, 1, 1, size=32), SyntheticTIL(6, 1, 1, size=32)
    few.setup()
    many.setup()

    assert np.array_equal(few._sources["train"].patches, many._sources["train"].patches[:3])
