"""Images from a folder in MNIST's file format."""

from __future__ import annotations

from pathlib import Path

from fulmen.errors import ConfigError
from fulmen_vision.idx_format import find_idx, read_idx
from fulmen_vision.image_data import ImageData
from fulmen_vision.labelled_images import LabelledImages, Splits, pair
from fulmen_vision.splits import complement, stratified_sample


class IdxImages(ImageData):
    """Gray images from ``{train,t10k}-images-idx3-ubyte`` and ``-labels-idx1-ubyte``, gzip-packed or not.

    The format has no validation images; they are taken from the training ones.

    Args:
        folder: Where the four files are. The default is where Debian's ``dataset-fashion-mnist``
            (``apt-get install dataset-fashion-mnist``) puts 60,000 + 10,000 images of clothes.
        val_fraction: Share of the training images that is held out for validation, chosen at random
            with each class in its share; above 0, below 1.
        split_seed: Of the split, not of the training.
        num_classes: How many classes there are; None: as many as the training labels name.
        batch_size: Images per batch and process.
        num_workers: Processes that load; 0 loads in the training process.
        limit_train: Train on a fixed stratified choice of this many images; None: on all.
    """

    def __init__(
        self,
        folder: str = "/usr/share/datasets/fashion-mnist",
        val_fraction: float = 0.1,
        split_seed: int = 0,
        num_classes: int | None = None,
        batch_size: int = 128,
        num_workers: int = 0,
        limit_train: int | None = None,
    ) -> None:
        super().__init__(batch_size, num_workers, limit_train, num_classes, split_seed)
        if not 0 < val_fraction < 1:
            raise ConfigError(
                f"data: val_fraction is {val_fraction}; expected above 0 and below 1: change it."
            )
        self.folder = Path(folder)
        self.val_fraction = val_fraction

    def read(self) -> Splits:
        """Read the four files and hold out the validation images."""
        everything, test = self._read_part("train"), self._read_part("t10k")
        val_size = round(self.val_fraction * len(everything))
        if not 0 < val_size < len(everything):
            raise ConfigError(
                f"data: val_fraction {self.val_fraction} of {len(everything)} training images is {val_size}; "
                "expected at least one image in each part: change it."
            )
        val = stratified_sample(everything.labels, val_size, self.split_seed)
        return Splits(everything.take(complement(val, len(everything))), everything.take(val), test)

    def _read_part(self, part: str) -> LabelledImages:
        images, labels = (
            find_idx(self.folder, f"{part}-images-idx3-ubyte"),
            find_idx(self.folder, f"{part}-labels-idx1-ubyte"),
        )
        return pair(read_idx(images, 3), read_idx(labels, 1), f"{self.folder}: {part}")
