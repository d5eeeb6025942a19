"""Images decoded from their files when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from fulmen_vision.class_folders import LabelledFiles, open_image
from fulmen_vision.crops import middle_crop, random_crop, uniforms


class FileDataset(Dataset[tuple[Tensor, Tensor]]):
    """Normalised images and their labels, made on demand from files.

    Item i is a float32 image of shape (3, size, size), ``(pixel / 255 - mean) / std`` channel by
    channel, and an int64 label of shape ().

    Args:
        files: The files.
        resize: The shorter side of which the middle is taken.
        size: Height and width of an image.
        mean: Of each channel, in [0, 1].
        std: Likewise, above 0.
        seed: Crop at random, by this seed; None: crop the middle.
        current_epoch: Gives the epoch that is about to begin, by which random crops change.
    """

    def __init__(
        self,
        files: LabelledFiles,
        resize: int,
        size: int,
        mean: Sequence[float],
        std: Sequence[float],
        seed: int | None = None,
        current_epoch: Callable[[], int] = lambda: 0,
    ) -> None:
        self.files = files
        self.names = [str(path) for path in files.paths]  # what tables of predictions call them
        self.labels = torch.from_numpy(files.labels)
        self.resize, self.size, self.seed = resize, size, seed
        self.mean, self.std = (torch.tensor(moment).view(-1, 1, 1) for moment in (mean, std))
        self._current_epoch: Callable[[], int] | None = current_epoch
        # Shared memory: loading processes that live on from epoch to epoch see it change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def begin_epoch(self) -> None:
        """Ask which epoch begins; the images that follow are cropped for it."""
        if self._current_epoch is not None:
            self._epoch.fill_(self._current_epoch())

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = open_image(self.files.paths[index])
        if self.seed is None:
            pixels = middle_crop(image, self.resize, self.size)
        else:
            pixels = random_crop(image, self.size, uniforms(self.seed, int(self._epoch), int(index), 41))
        return (torch.from_numpy(pixels).float() / 255 - self.mean) / self.std, self.labels[index]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_current_epoch": None}  # a loading process need not ask, and cannot
