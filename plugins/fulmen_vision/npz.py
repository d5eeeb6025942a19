"""Images from one .npz file in MedMNIST's layout."""

from __future__ import annotations

from pathlib import Path

from fulmen_vision.image_data import ImageData
from fulmen_vision.labelled_images import Splits, pair, remap
from fulmen_vision.medmnist_format import SPLITS, read_medmnist


class NpzImages(ImageData):
    """Training, validation and test images from one file, as its authors split them.

    Args:
        path: The file, with ``{train,val,test}_images`` (uint8, (n, h, w) or (n, h, w, 3)) and
            ``{train,val,test}_labels`` (integers, (n,) or (n, 1)).
        label_map: Old label to new one, for every label of the file, to merge or renumber classes;
            None leaves them.
        num_classes: How many classes there are (after ``label_map``); None: as many as the training
            labels name.
        batch_size: Images per batch and process.
        num_workers: Processes that load; 0 loads in the training process.
        limit_train: Train on a fixed stratified choice of this many images; None: on all.
        split_seed: Of that choice.
    """

    def __init__(
        self,
        path: str,
        label_map: dict[int, int] | None = None,
        num_classes: int | None = None,
        batch_size: int = 128,
        num_workers: int = 0,
        limit_train: int | None = None,
        split_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, num_workers, limit_train, num_classes, split_seed)
        self.path = Path(path)
        self.label_map = label_map

    def read(self) -> Splits:
        """Read the six arrays of the file."""
        arrays = read_medmnist(self.path)
        pairs = [
            pair(arrays[f"{split}_images"], arrays[f"{split}_labels"], f"{self.path}: {split}")
            for split in SPLITS
        ]
        return (
            Splits(*pairs)
            if self.label_map is None
            else Splits(*(remap(data, self.label_map) for data in pairs))
        )
