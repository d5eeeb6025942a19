"""The LightningDataModule that all data sets of this plugin share."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

import fulmen
from fulmen.errors import ConfigError, DataError
from fulmen_vision.format_error import FormatError
from fulmen_vision.image_dataset import ImageDataset
from fulmen_vision.labelled_images import LabelledImages, Splits, check_same_size, count_classes
from fulmen_vision.normalisation import channel_moments
from fulmen_vision.splits import stratified_sample


class ImageData(LightningDataModule):
    """Loaders over the splits that ``read`` gives, normalised by the training images' mean and spread.

    Batches are float32 images of shape (batch, channels, height, width) and int64 labels of shape
    (batch,). Under a Trainer the training loader shuffles by ``seed_everything`` and the epoch, so that
    a resumed run sees the batches that an uninterrupted one sees; without one, by torch's global
    stream. Prediction runs over the test images.

    Args:
        batch_size: Images per batch and process.
        num_workers: Processes that load; 0 loads in the training process, which is best for small
            images in memory.
        limit_train: Train on a fixed stratified choice of this many images; None: on all.
        num_classes: How many classes there are; None: as many as the training labels name.
        split_seed: Of every random choice of images. It does not follow ``seed_everything``, so that
            runs with different seeds are tested on the same images.
    """

    def __init__(
        self,
        batch_size: int,
        num_workers: int,
        limit_train: int | None,
        num_classes: int | None,
        split_seed: int,
    ) -> None:
        super().__init__()
        for key, value, least in (
            ("batch_size", batch_size, 1),
            ("num_workers", num_workers, 0),
            ("limit_train", limit_train, 1),
            ("num_classes", num_classes, 1),
            ("split_seed", split_seed, 0),
        ):
            if value is not None and value < least:
                raise ConfigError(f"data: {key} is {value}; expected {least} or more: change it.")
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.limit_train = limit_train
        self.split_seed = split_seed
        self._asked_classes = num_classes
        self._num_classes: int | None = None
        self._sets: dict[str, ImageDataset] = {}

    def read(self) -> Splits:
        """Read the images; each data set says how.

        Raises:
            FormatError: a file is not what it should be.
            OSError: a file cannot be read.
        """
        raise NotImplementedError

    def setup(self, stage: str | None = None) -> None:
        """Read and check the data, once.

        Raises:
            DataError: a file or folder is missing, is not what its name says, or has labels outside
                the classes.
        """
        if self._sets:
            return
        try:
            splits = self.read()
            check_same_size(splits)
            self._num_classes = count_classes(splits, self._asked_classes)
        except FormatError as error:
            raise DataError(str(error)) from error
        except OSError as error:
            cause = error.strerror or error
            raise DataError(
                f"{error.filename}: cannot be read ({cause}); give a file that you may read."
            ) from error
        # Of all training images, so that limit_train changes how many are seen and nothing else.
        moments = channel_moments(splits.train.images)
        used = splits._replace(train=self._limited(splits.train))
        self._sets = {name: ImageDataset(data, *moments) for name, data in used._asdict().items()}

    def _limited(self, train: LabelledImages) -> LabelledImages:
        if self.limit_train is None:
            return train
        if self.limit_train > len(train):
            raise ConfigError(
                f"data: limit_train is {self.limit_train}; there are {len(train)} training images: lower it."
            )
        return train.take(stratified_sample(train.labels, self.limit_train, self.split_seed))

    @property
    def num_classes(self) -> int:
        """How many classes there are (reads the data if need be)."""
        self.setup()
        assert self._num_classes is not None
        return self._num_classes

    @property
    def in_channels(self) -> int:
        """1 for gray images, 3 for colour (reads the data if need be)."""
        return int(self.dataset("train").images.shape[1])

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels (reads the data if need be)."""
        height, width = self.dataset("train").images.shape[2:]
        return int(height), int(width)

    def dataset(self, split: str) -> ImageDataset:
        """Return the images of ``train``, ``val`` or ``test`` (reads the data if need be)."""
        self.setup()
        return self._sets[split]

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the shuffled training batches."""
        return self._loader(self.dataset("train"), shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the validation batches, always in the same order."""
        return self._loader(self.dataset("val"))

    def test_dataloader(self) -> DataLoader[Any]:
        """Return the test batches, always in the same order."""
        return self._loader(self.dataset("test"))

    def predict_dataloader(self) -> DataLoader[Any]:
        """Return the test batches: ``predict`` gives their probabilities in this order."""
        return self.test_dataloader()

    def _loader(self, data: ImageDataset, shuffle: bool = False) -> DataLoader[Any]:
        return fulmen.ResumableLoader.of(
            self, data, batch_size=self.batch_size, num_workers=self.num_workers, shuffle=shuffle
        )
