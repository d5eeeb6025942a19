"""Patches of the pathology benchmark: made once on all cores, kept, changed at random on the device.

The patches are those of the data module `synthetic_til` with the same settings, seed and index.
"""

from __future__ import annotations

import functools
import json
import math
import multiprocessing
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import fulmen
from fulmen_evolution.patches import BRIGHTNESS, HUE, MEAN, SPREAD
from fulmen_evolution.tissue import POSITIVE, TissueSettings, draw_patch

SIZES = {"train": 6000, "val": 2000, "test": 6000}
DATA_SEED = 0
SETTINGS = {
    "default": TissueSettings(),
    # Another laboratory and another tissue: stains, magnification, crowding, optics.
    "shifted": TissueSettings(
        stain_turn=0.15, stain_strength=1.15, nucleus_scale=1.15, crowding=1.3, blur=0.9, noise=5.0
    ),
}


@dataclass(frozen=True)
class Split:
    """Patches of one split: uint8 of shape (n, 3, size, size), and labels 0 or 1, int64 of shape (n,)."""

    images: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> Split:
        """Return it on a device."""
        return Split(self.images.to(device), self.labels.to(device))


def prepare(folder: Path, processes: int, sizes: dict[str, int] | None = None) -> None:
    """Make what is missing of both settings' patches; each file is whole or absent.

    Args:
        folder: Where they are kept.
        processes: That draw at the same time.
        sizes: Patches per split; None: `SIZES`.
    """
    missing = [
        (setting, split, count)
        for setting in SETTINGS
        for split, count in (sizes or SIZES).items()
        if not _file(folder, setting, split, count).exists()
    ]
    if not missing:
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for setting, split, count in missing:
            tasks = [(setting, split, index) for index in range(count)]
            drawn = list(fulmen.progress(pool.imap(_draw, tasks, 50), f"{setting} {split} patches", count))
            images = np.stack([image for image, _ in drawn])
            labels = np.array([cells >= POSITIVE for _, cells in drawn], dtype=np.int64)

            def save(file, images=images, labels=labels):  # type: ignore[no-untyped-def]
                np.savez(file, images=images, labels=labels, allow_pickle=False)

            fulmen.write_artifact(_file(folder, setting, split, count), save)


def load(folder: Path, setting: str, split: str, sizes: dict[str, int] | None = None) -> Split:
    """Return the patches of a split that `prepare` made."""
    count = (sizes or SIZES)[split]
    with np.load(_file(folder, setting, split, count), allow_pickle=False) as arrays:
        images = torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2).contiguous()
        return Split(images, torch.from_numpy(arrays["labels"]))


def described() -> dict[str, object]:
    """Return what the patches are, for the record."""
    return {
        "sizes": SIZES,
        "data_seed": DATA_SEED,
        "settings": {name: asdict(settings) for name, settings in SETTINGS.items()},
    }


def normalised(images: Tensor) -> Tensor:
    """Return what networks see of uint8 images: float32, (pixel - 200) / 50, as the data module gives it."""
    return (images.float() - MEAN) / SPREAD


def changed(images: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, flip and recolour each patch at random, as the data module does, a batch at a time.

    There are no shifts: a patch of the size that the network sees has no room for them.

    Args:
        images: uint8, shape (n, 3, size, size).
        generator: Draws, on the images' device.

    Returns:
        float32, shape (n, 3, size, size), normalised.
    """
    count, device = len(images), images.device
    # A quarter turn is a flip and a transposition: three coins make all eight pictures alike.
    coins = torch.rand(3, count, 1, 1, 1, generator=generator, device=device) < 0.5
    images = torch.where(coins[0], images.transpose(2, 3), images)
    images = torch.where(coins[1], images.flip(2), images)
    images = torch.where(coins[2], images.flip(3), images).float()
    shade, angle = torch.rand(2, count, generator=generator, device=device) * 2 - 1
    turn = _hue_turns(angle * math.radians(HUE))
    coloured = torch.einsum("nij,njhw->nihw", turn, images) + (BRIGHTNESS * shade)[:, None, None, None]
    return (coloured.clamp(0, 255) - MEAN) / SPREAD


def _hue_turns(angles: Tensor) -> Tensor:
    """Return the matrices, shape (n, 3, 3), that turn hues by angles in the plane of NTSC's colours."""
    luminance, cosine, sine = _hue_parts(angles.device)
    return luminance + cosine * angles.cos()[:, None, None] + sine * angles.sin()[:, None, None]


@functools.cache
def _hue_parts(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return what does not turn, what a cosine and what a sine are multiplied with; made once a device."""
    yiq = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    still, same, across = torch.zeros(3, 3, 3)
    still[0, 0] = same[1, 1] = same[2, 2] = across[2, 1] = 1
    across[1, 2] = -1
    inverse = torch.linalg.inv(yiq)
    still, same, across = ((inverse @ part @ yiq).to(device) for part in (still, same, across))
    return still, same, across


def _draw(task: tuple[str, str, int]) -> tuple[NDArray[np.uint8], int]:
    setting, split, index = task
    return draw_patch(fulmen.keyed_generator(DATA_SEED, "synthetic_til", split, index), SETTINGS[setting])


def _file(folder: Path, setting: str, split: str, count: int) -> Path:
    # The settings are in the name: a changed one never finds another's patches.
    settings = json.dumps(asdict(SETTINGS[setting]), sort_keys=True)
    return folder / f"{setting}-{zlib.crc32(settings.encode()):08x}-{split}-{count}.npz"
