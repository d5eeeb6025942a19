"""Patches in files: PNG images whose label stands in their name or in a table, split by slide.

In the public data a patch is called ``<slide>_..._<label>.png``, its label, 0 or 1, being the last field
between underscores. A table (CSV) with columns ``path`` and ``label``, and perhaps ``slide`` and ``split``
(train, val or test), stands in the place of the names.
"""

from __future__ import annotations

import csv
import hashlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "val", "test")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class PatchError(Exception):
    """A file or folder is not what it should be: one line, with the file, and the remedy."""

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else "?" for c in message))  # names may hold anything


@dataclass(frozen=True)
class PatchFile:
    """One patch: where it is, its label, its slide, and its split if a table names one."""

    path: Path
    label: int
    slide: str
    split: str | None = None


class FileSource:
    """Patches decoded from their files when they are asked for.

    Args:
        files: The patches.
    """

    def __init__(self, files: Sequence[PatchFile]) -> None:
        self._files = tuple(files)
        self.names: Sequence[str] | None = [str(file.path) for file in files]
        self.labels: NDArray[np.int64] = np.array([file.label for file in files], dtype=np.int64)

    def patch(self, index: int) -> NDArray[np.uint8]:
        """Return a patch, uint8 of shape (height, width, 3).

        Raises:
            PatchError: the file cannot be decoded.
        """
        from PIL import Image

        path = self._files[index].path
        try:
            with Image.open(path) as image:
                if image.mode[0] in "IF":  # Pillow would cut off what is above 255
                    raise ValueError(f"it has more than 8 bits a channel, mode {image.mode}")
                return np.asarray(image.convert("RGB"), dtype=np.uint8)
        except Exception as error:  # Pillow raises whatever a broken byte leads its decoders to
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise PatchError(
                f"{path}: cannot be decoded ({reason}); expected a PNG image of 8 bits a channel: replace "
                "or remove it."
            ) from error


def find_patches(folder: Path) -> list[PatchFile]:
    """List the PNG files anywhere below a folder, with the labels in their names.

    Raises:
        PatchError: the folder is missing or has none, or a name has no label.
    """
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise PatchError(f"{folder}: {found}; expected a folder of PNG patches: correct `folder`.")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".png")
    if not paths:
        raise PatchError(
            f"{folder}: has no .png files; expected patches called <slide>_..._<label>.png: add some."
        )
    files = []
    for path in paths:
        slide, _, label = path.stem.rpartition("_")
        if label not in ("0", "1") or not slide:
            raise PatchError(
                f"{path}: its name ends in {label!r}; expected _0 or _1 before .png, the label: "
                "rename it, or give a table."
            )
        files.append(PatchFile(path, int(label), slide.partition("_")[0]))
    return files


def read_table(table: Path, folder: Path) -> list[PatchFile]:
    """Read patches from a CSV file with columns path and label, and perhaps slide and split.

    Args:
        table: The file.
        folder: That relative paths start from.

    Raises:
        PatchError: the file, a column or an image is missing, or a value is not what it should be; names the
            line.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or [])
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise PatchError(
            f"{table}: does not exist; expected a CSV file with path and label: correct `table`."
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise PatchError(
            f"{table}: is no CSV text ({error}); expected columns path and label: convert it."
        ) from error
    if missing := [name for name in ("path", "label") if name not in columns]:
        found = ", ".join(columns) or "nothing"
        raise PatchError(
            f"{table}: has no column {missing[0]!r} (it has {found}); expected path and label: add it."
        )
    if not rows:
        raise PatchError(f"{table}: has no rows; expected a patch a line: add some.")
    files = []
    lines: dict[str, int] = {}
    for number, row in rows:
        where = f"{table}: line {number}"
        path = folder / (row["path"] or "")
        if (before := lines.setdefault(os.path.normpath(path), number)) != number:
            raise PatchError(
                f"{where}: {path} stands in line {before} already; expected each patch once, or it may be in "
                "training and in test: remove one."
            )
        if row["label"] not in ("0", "1"):
            raise PatchError(f"{where}: label is {row['label']!r}; expected 0 or 1: correct it.")
        if not path.is_file():
            raise PatchError(
                f"{where}: {path} does not exist; expected a PNG file: correct the path, or `folder`."
            )
        split = row.get("split") or None
        if split is not None and split not in SPLITS:
            raise PatchError(f"{where}: split is {split!r}; expected {', '.join(SPLITS)}: correct it.")
        if "slide" in columns and not row["slide"]:
            raise PatchError(
                f"{where}: names no slide; expected one in each line, or no column slide: complete it."
            )
        slide = row.get("slide") or path.stem.partition("_")[0]
        files.append(PatchFile(path, int(row["label"]), slide, split))
    _check_splits(table, files, "slide" in columns)
    return files


def _check_splits(table: Path, files: Sequence[PatchFile], slides_named: bool) -> None:
    named = sum(file.split is not None for file in files)
    if named not in (0, len(files)):
        raise PatchError(
            f"{table}: {named} of {len(files)} lines name a split; expected all or none: complete them."
        )
    first: dict[str, str | None] = {}
    for file in files:
        if first.setdefault(file.slide, file.split) != file.split:
            whence = "" if slides_named else ", by the first field of the names,"
            remedy = "correct it" if slides_named else "correct it, or give a column slide"
            raise PatchError(
                f"{table}: slide {file.slide}{whence} is in {first[file.slide]} and in {file.split}; "
                f"expected each slide in one split, or the test is no test: {remedy}."
            )


def doubt(files: Sequence[PatchFile]) -> str | None:
    """Return why the slides that names were taken to begin with may be none, as one line; or None."""
    if files[0].split is not None or any(f.slide != f.path.stem.partition("_")[0] for f in files):
        return None  # a table says what the slides are, or what the splits
    slides: dict[str, set[Path]] = {}
    labels: dict[Path, set[int]] = {}
    for file in files:
        slides.setdefault(file.slide, set()).add(file.path.parent)
        labels.setdefault(file.path.parent, set()).add(file.label)
    if 2 * len(slides) > len(files):
        return f"{len(files)} patches of {len(slides)} slides, by the first fields of their names"
    for slide, folders in slides.items():
        mixed = sorted(folder for folder in folders if len(labels[folder]) > 1)  # no folders of one class
        if len(mixed) > 1:
            return f"slide {slide}, by the first field of its patches' names, is in {mixed[0]} and {mixed[1]}"
    return None


def check_sizes(files: Sequence[PatchFile], crop: int) -> tuple[int, int]:
    """Read the sizes in the files' headers; return height and width, the same for all.

    Raises:
        PatchError: a file is no PNG, another size than the first, or smaller than ``crop``.
    """
    size: tuple[int, int] | None = None
    for file in files:
        with file.path.open("rb") as opened:
            head = opened.read(24)
        if len(head) < 24 or head[:8] != _SIGNATURE or head[12:16] != b"IHDR":
            raise PatchError(f"{file.path}: is no PNG file; expected one: replace or remove it.")
        width, height = struct.unpack(">II", head[16:24])
        size = size or (height, width)
        if (height, width) != size:
            raise PatchError(
                f"{file.path}: is {width} x {height} pixels; expected {size[1]} x {size[0]} as "
                f"{files[0].path}: give patches of one size."
            )
    assert size is not None
    if min(size) < crop:
        raise PatchError(
            f"{files[0].path}: is {size[1]} x {size[0]} pixels; expected {crop} or more for crop {crop}: "
            "lower crop."
        )
    return size


def split_by_slide(
    files: Sequence[PatchFile], val_share: float, test_share: float, seed: int
) -> dict[str, list[PatchFile]]:
    """Split patches so that no slide is in two parts: as the table says, or at random.

    Slides are taken in an order that depends on the seed and their names alone; the test gets slides until it
    has its share of the patches, then validation.

    Raises:
        PatchError: a part would be empty, or without one of the labels.
    """
    if files[0].split is not None:
        parts = {name: [file for file in files if file.split == name] for name in SPLITS}
    else:
        parts = {name: [] for name in SPLITS}
        wanted = {"test": test_share * len(files), "val": val_share * len(files)}
        slides: dict[str, list[PatchFile]] = {}
        for file in files:
            slides.setdefault(file.slide, []).append(file)
        order = sorted(slides, key=lambda name: hashlib.blake2b(f"{seed}:{name}".encode()).digest())
        for name in order:
            part = next((p for p in ("test", "val") if len(parts[p]) < wanted[p]), "train")
            parts[part] += slides[name]
    for part, members in parts.items():
        labels = {file.label for file in members}
        if labels != {0, 1}:
            found = f"only label {labels.pop()}" if labels else "no patches"
            raise PatchError(
                f"the part {part} of {len({file.slide for file in files})} slides has {found}; expected both "
                "labels in each part: give more slides, other shares or another split_seed."
            )
    return parts
