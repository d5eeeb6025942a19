"""Patches of tissue as torch sees them: normalised, changed at random for training, in an order that resumes.

The changes are those of the public code for lymphocyte maps (SBU-BMI, quip_classification): quarter turns,
flips, brightness by at most 20 levels, hue by at most 10 degrees, a shift by at most 20 pixels. That code
cuts from patches nine times as large. A patch is shifted as far as it has room, and no further: cells that
leave it, or are mirrored into it, would make its label wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

BRIGHTNESS = 20.0
HUE = 10.0
SHIFT = 20
MEAN, SPREAD = (
    200.0,
    50.0,
)  # of stained tissue on a white slide, roughly: fixed, so that nothing need be read for it

# NTSC's luminance and two colour differences, in which a hue is an angle.
_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


class Source(Protocol):
    """Where patches come from: patch i, uint8 of shape (height, width, 3), has label i, 0 or 1.

    Names, where there are any, are what tables of predictions call them.
    """

    labels: NDArray[np.int64]
    names: Sequence[str] | None

    def patch(self, index: int) -> NDArray[np.uint8]:
        """Return a patch."""
        ...


class PatchDataset(Dataset[tuple[Tensor, Tensor]]):
    """Patches of one split.

    Item i is a float32 image of shape (3, crop, crop), ``(pixel - 200) / 50``, and an int64 label of shape
    ().

    Args:
        source: The patches.
        crop: Height and width of what is cut out; of the middle, but for shifts.
        seed: Of random changes; None: there are none.
        epoch: Gives the epoch, by which they differ.
    """

    def __init__(
        self, source: Source, crop: int, seed: int | None = None, epoch: Callable[[], int] = lambda: 0
    ) -> None:
        self.source, self.crop, self.seed = source, crop, seed
        self.labels = torch.from_numpy(source.labels)
        self.names = source.names
        self._asked: Callable[[], int] | None = epoch
        # Shared memory: loading processes that live on from epoch to epoch see it change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def begin_epoch(self) -> None:
        """Ask which epoch begins."""
        if self._asked is not None:
            self._epoch.fill_(self._asked())

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        patch = self.source.patch(index)
        if self.seed is None:
            pixels = middle(patch, self.crop).astype(np.float32)
        else:
            entropy = [self.seed, int(self._epoch), int(index)]
            generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))
            pixels = changed(patch, self.crop, generator)
        image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        return (image - MEAN) / SPREAD, self.labels[index]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_asked": None}  # a loading process need not ask, and cannot


def middle(patch: NDArray[np.uint8], crop: int) -> NDArray[np.uint8]:
    """Return the middle of a patch, uint8 of shape (crop, crop, 3)."""
    top, left = ((side - crop) // 2 for side in patch.shape[:2])
    return patch[top : top + crop, left : left + crop]


def changed(patch: NDArray[np.uint8], crop: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Return a patch changed at random, then its middle.

    Args:
        patch: uint8, shape (height, width, 3), each at least ``crop``.
        crop: Height and width of what comes back.
        generator: Draws.

    Returns:
        float32, shape (crop, crop, 3), 0 to 255.
    """
    turned = np.rot90(patch, int(generator.integers(4)))
    flips = generator.integers(2, size=2)
    turned = turned[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
    windows = []
    for side in turned.shape[:2]:
        start, room = (side - crop) // 2, min((side - crop) // 2, SHIFT)
        start += int(generator.integers(-room, room + 1))
        windows.append(slice(start, start + crop))
    cut = turned[windows[0], windows[1]].astype(np.float32)
    shade, angle = generator.uniform(-BRIGHTNESS, BRIGHTNESS), math.radians(generator.uniform(-HUE, HUE))
    return np.asarray(np.clip(cut @ _hue_turn(angle).T + np.float32(shade), 0, 255), dtype=np.float32)


def _hue_turn(angle: float) -> NDArray[np.float32]:
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    return np.asarray(np.linalg.inv(_YIQ) @ turn @ _YIQ, dtype=np.float32)
