"""scikit-learn's digits: real scans, nothing to download."""

from __future__ import annotations

from typing import Any

import numpy as np

from fulmen.errors import ConfigError, PluginError
from fulmen_vision.image_data import ImageData
from fulmen_vision.labelled_images import Splits, pair
from fulmen_vision.splits import complement, stratified_sample


class Digits(ImageData):
    """1,797 handwritten digits, scanned, 8x8 pixels of 0 to 16, one channel, 10 classes.

    There is no official split. The default gives 500 images to the test, so that one image is 0.2
    points, 300 to validation and 997 to training. 300 and 500 divide by 2, 4, 5 and 10 processes:
    Lightning repeats images where they do not divide, which bends the metrics of such runs.

    Args:
        val_size: Validation images, chosen at random with each class in its share.
        test_size: Test images, likewise.
        split_seed: Of the split, not of the training: whatever ``seed_everything`` is, the test images
            stay the same.
        batch_size: Images per batch and process.
        num_workers: Processes that load; 0 loads in the training process.
        limit_train: Train on a fixed stratified choice of this many images; None: on all.

    Raises:
        UserError: scikit-learn is not installed (when the data is first read).

    Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository (1998), test part, as bundled with scikit-learn (``sklearn.datasets.load_digits``).
    """

    def __init__(
        self,
        val_size: int = 300,
        test_size: int = 500,
        split_seed: int = 0,
        batch_size: int = 64,
        num_workers: int = 0,
        limit_train: int | None = None,
    ) -> None:
        super().__init__(batch_size, num_workers, limit_train, num_classes=10, split_seed=split_seed)
        self.val_size = val_size
        self.test_size = test_size

    def read(self) -> Splits:
        """Split the bundled images: the test first, then validation from the rest."""
        digits = _load_digits()
        everything = pair(digits.images.astype(np.uint8), digits.target, "scikit-learn's digits")
        if min(self.val_size, self.test_size) < 1 or self.val_size + self.test_size >= len(everything):
            raise ConfigError(
                f"data: val_size is {self.val_size} and test_size {self.test_size}; expected 1 or more each "
                f"and less than the {len(everything)} images together: change them."
            )
        test = stratified_sample(everything.labels, self.test_size, self.split_seed)
        rest = everything.take(complement(test, len(everything)))
        val = stratified_sample(rest.labels, self.val_size, self.split_seed)
        return Splits(rest.take(complement(val, len(rest))), rest.take(val), everything.take(test))


def _load_digits() -> Any:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise PluginError(
            "data 'digits' needs scikit-learn, which is not installed: pip install 'fulmen[vision]'"
        ) from error
    return load_digits()
