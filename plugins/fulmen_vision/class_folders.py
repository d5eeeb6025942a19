"""Image files in one folder a class: finding and decoding them, as torchvision's ImageFolder does.

Knows the files and their pixels; what is cut out of them when is in `crops`. Pillow is imported when
the first file is read, so that the layout alone can be looked at without it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fulmen_vision.format_error import FormatError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class LabelledFiles:
    """Image files of one split.

    Attributes:
        paths: The files, class by class, each class in the order of the names.
        labels: int64, shape (n,).
        source: The split's folder, for messages.
    """

    paths: Sequence[str]
    labels: np.ndarray
    source: str

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> LabelledFiles:
        """Return the files with these indices, in this order."""
        return LabelledFiles([self.paths[i] for i in indices], self.labels[indices], self.source)


def class_names(folder: Path) -> list[str]:
    """Return the class folders in a split's folder, sorted: class k is the k-th.

    Raises:
        FormatError: the folder is missing, a file, or has no class folders.
    """
    if not folder.is_dir():
        file = next((path for path in (folder, *folder.parents) if path.is_file()), None)
        found = f"{folder}: does not exist" if file is None else f"{file}: is a file"
        raise FormatError(
            f"{found}; expected a folder with one folder of images a class: correct "
            "`folder`, or the option that names this part of it."
        )
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    if not names:
        raise FormatError(
            f"{folder}: has no folders in it; expected one folder of images a class: sort the images into "
            "class folders."
        )
    return names


def read_class_list(path: Path) -> list[str]:
    """Return the names in a text file, one a line, in order; empty lines do not count.

    Raises:
        FormatError: the file is missing, no text, empty, or names a class twice.
    """
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except FileNotFoundError as error:
        raise FormatError(
            f"{path}: does not exist; expected a text file, one class folder a line: give its path."
        ) from error
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{path}: is not UTF-8 text; expected one class folder a line: convert it."
        ) from error
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if not names or twice:
        found = f"names {twice[0]!r} twice" if twice else "is empty"
        raise FormatError(f"{path}: {found}; expected one class folder a line: correct it.")
    return names


def find_files(folder: Path, classes: Sequence[str]) -> LabelledFiles:
    """List the images of a split.

    Args:
        folder: The split's folder.
        classes: The class folders in the order of the labels; folders of a class may be missing.

    Raises:
        FormatError: a folder is no class, or has no image.
    """
    labels_of = {name: label for label, name in enumerate(classes)}
    paths: list[str] = []
    labels: list[int] = []
    for name in class_names(folder):
        if name not in labels_of:
            raise FormatError(
                f"{folder / name}: is not one of the {len(classes)} classes ({classes[0]}, ...); expected "
                "the same class folders in each part: rename or remove it."
            )
        found = _images_below(folder / name)
        if not found:
            raise FormatError(
                f"{folder / name}: has no images; expected files that end in {', '.join(SUFFIXES)}: add "
                "some, or remove the folder."
            )
        paths += found
        labels += [labels_of[name]] * len(found)
    return LabelledFiles(paths, np.array(labels, dtype=np.int64), str(folder))


def open_image(path: str) -> Image.Image:
    """Return an image, decoded, in RGB.

    Raises:
        FormatError: the file is no image, damaged, larger than Pillow thinks safe, or has more than 8 bits a
            channel, which Pillow would cut off.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.mode[0] in "IF":
                raise ValueError(f"it has more than 8 bits a channel, mode {image.mode}")
            return image.convert("RGB")
    except Exception as error:  # Pillow raises whatever a broken byte leads its decoders to
        reason = (str(error).splitlines() or [""])[0].replace(f" {path!r}", "") or type(error).__name__
        raise FormatError(
            f"{path}: cannot be decoded ({reason}); expected an image of 8 bits a channel: replace or "
            "remove it."
        ) from error


def _images_below(folder: Path) -> list[str]:
    return sorted(
        str(Path(where) / name)
        for where, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(SUFFIXES)
    )
