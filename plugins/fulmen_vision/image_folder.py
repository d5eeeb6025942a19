"""ImageNet and every other data set of image files in class folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

import fulmen
from fulmen.errors import ConfigError, DataError, PluginError
from fulmen_vision.class_folders import LabelledFiles, class_names, find_files, read_class_list
from fulmen_vision.file_dataset import FileDataset
from fulmen_vision.format_error import FormatError
from fulmen_vision.image_data import ImageData
from fulmen_vision.splits import stratified_sample


class ImageFolder(ImageData):
    """Image files in class folders, ``folder/train/CLASS/*.jpg``, read when they are needed.

    Images become RGB of ``crop`` x ``crop`` pixels: the middle of the image with its shorter side at
    ``resize``; in training, with ``augment``, a random part of it, mirrored half of the time. Which
    part depends on seed, epoch and image alone, so that a resumed run sees the same. Class k is the
    k-th class folder by name, as in torchvision, whose ImageNet checkpoints number the classes so.

    Args:
        folder: Where the parts are.
        train: The part to train on; None: there is none, and the classes are those of ``val``.
        val: The part to validate on.
        test: The part to test on. ImageNet's has no labels: name ``val`` there too.
        classes: A text file with one class folder a line, in the order of the classes; None: the
            class folders by name. Needed where not every class of a checkpoint has a folder.
        resize: The shorter side of an image in pixels, before its middle is cropped.
        crop: Height and width of what the network sees, at most ``resize``.
        augment: Crop and mirror training images at random.
        mean: Of each channel, in [0, 1]; the defaults are ImageNet's, which torchvision's
            checkpoints expect.
        std: Spread of each channel, likewise.
        num_classes: How many classes there are; None: as many as are named.
        batch_size: Images per batch and process.
        num_workers: Processes that decode; 0 decodes in the training process.
        limit_train: Train on a fixed stratified choice of this many images; None: on all.
        split_seed: Of that choice.

    Raises:
        UserError: Pillow is not installed, a folder is missing or empty, a class folder is unknown
            (when the data is first read), or an image cannot be decoded (when it is needed). Names it.
    """

    def __init__(
        self,
        folder: str,
        train: str | None = "train",
        val: str = "val",
        test: str = "test",
        classes: str | None = None,
        resize: int = 256,
        crop: int = 224,
        augment: bool = True,
        mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        std: tuple[float, float, float] = (0.229, 0.224, 0.225),
        num_classes: int | None = None,
        batch_size: int = 128,
        num_workers: int = 0,
        limit_train: int | None = None,
        split_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, num_workers, limit_train, num_classes, split_seed)
        if not 1 <= crop <= resize:
            raise ConfigError(
                f"data: crop is {crop} and resize {resize}; expected 1 or more and crop at most resize: "
                "change them."
            )
        if min(std) <= 0:
            raise ConfigError(f"data: std is {tuple(std)}; expected three numbers above 0: change it.")
        self.folder = Path(folder)
        self.parts = {"train": train, "val": val, "test": test}
        self.classes = classes
        self.resize, self.crop, self.augment = resize, crop, augment
        self.mean, self.std = mean, std
        self._files: dict[str, FileDataset] = {}
        self._begun = -1

    def setup(self, stage: str | None = None) -> None:
        """Find the files, once; none is opened yet.

        Raises:
            DataError: a folder is missing, empty, or no class.
        """
        if self._files:
            return
        _require_pillow()
        try:
            names = self._class_names()
            found = {part: find_files(self.folder / name, names) for part, name in self.parts.items() if name}
        except FormatError as error:
            raise DataError(str(error)) from error
        except OSError as error:
            cause = error.strerror or error
            raise DataError(
                f"{error.filename}: cannot be read ({cause}); give a folder that you may read."
            ) from error
        self._num_classes = len(names) if self._asked_classes is None else self._asked_classes
        if len(names) > self._num_classes:
            raise DataError(
                f"{self.folder}: has {len(names)} classes; expected at most num_classes {self._num_classes}: "
                "correct num_classes, or remove class folders."
            )
        self._files = {part: self._dataset(part, files) for part, files in found.items()}

    def _class_names(self) -> list[str]:
        if self.classes is not None:
            return read_class_list(Path(self.classes))
        return class_names(self.folder / (self.parts["train"] or str(self.parts["val"])))

    def _dataset(self, part: str, files: LabelledFiles) -> FileDataset:
        random = part == "train" and self.augment
        if part == "train" and self.limit_train is not None:
            if self.limit_train > len(files):
                raise ConfigError(
                    f"data: limit_train is {self.limit_train}; there are {len(files)} training images: "
                    "lower it."
                )
            files = files.take(stratified_sample(files.labels, self.limit_train, self.split_seed))
        return FileDataset(
            files,
            self.resize,
            self.crop,
            self.mean,
            self.std,
            seed=torch.initial_seed() if random else None,
            current_epoch=self._next_epoch,
        )

    def _next_epoch(self) -> int:
        self._begun += 1  # without a Trainer, each pass over the images is an epoch
        return self.trainer.current_epoch if self.trainer else self._begun

    @property
    def in_channels(self) -> int:
        """3: all images become RGB."""
        return 3

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.crop, self.crop

    def dataset(self, split: str) -> Any:
        """Return the images of ``train``, ``val`` or ``test`` (finds the files if need be)."""
        self.setup()
        if split not in self._files:
            raise ConfigError("data: train is null, so that there are no training images: name their folder.")
        return self._files[split]

    def _loader(self, data: Any, shuffle: bool = False) -> DataLoader[Any]:
        return _Loader.of(
            self, data, batch_size=self.batch_size, num_workers=self.num_workers, shuffle=shuffle
        )


class _Loader(fulmen.ResumableLoader):
    """Makes the user's error of a file that cannot be decoded."""

    refused = (FormatError,)


def _require_pillow() -> None:
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise PluginError(
            "data 'image_folder' needs Pillow, which is not installed: pip install 'fulmen[vision]'"
        ) from error
