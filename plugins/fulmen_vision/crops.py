"""What of an image a network sees: resized and cropped in the middle, or at random for training.

Sources: the middle crop of a resized image is that of Krizhevsky et al., NIPS 2012; the random one
(an area of 8 to 100% with a side ratio of 3/4 to 4/3) that of Szegedy et al., CVPR 2015
(arXiv:1409.4842), section 6. Sizes are rounded as torchvision rounds them, so that its checkpoints see the
pixels that they were measured with.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

_ATTEMPTS = 10
_AREA, _RATIO = (0.08, 1.0), (3 / 4, 4 / 3)


class Box(NamedTuple):
    """A part of an image in pixels, from the upper left corner on."""

    left: int
    top: int
    width: int
    height: int


def uniforms(seed: int, epoch: int, index: int, count: int) -> np.ndarray:
    """Return numbers in [0, 1) that depend on these three alone, whichever process draws them.

    Args:
        seed: Of the run, 0 to 2**128 - 1.
        epoch: 0 or more.
        index: Of the image, 0 or more.
        count: How many.

    Returns:
        float64, shape (count,).
    """
    # The raw stream is the part of numpy's generators that stays the same for ever (NEP 19).
    raw = np.random.Philox(key=seed, counter=[0, 0, index, epoch]).random_raw(count)
    return (raw >> np.uint64(11)) * 2.0**-53


def random_box(width: int, height: int, draws: np.ndarray) -> Box:
    """Choose a part of 8 to 100% of the area, with sides in a ratio of 3/4 to 4/3.

    Args:
        width: Of the image, in pixels.
        height: Likewise.
        draws: In [0, 1), shape (40,): four for each of ten attempts.

    Returns:
        The first attempt that fits into the image, or the largest part in the middle with a ratio
        within the bounds.
    """
    for area_draw, ratio_draw, x, y in draws.reshape(_ATTEMPTS, 4):
        area = width * height * (_AREA[0] + (_AREA[1] - _AREA[0]) * area_draw)
        low, high = math.log(_RATIO[0]), math.log(_RATIO[1])
        ratio = math.exp(low + (high - low) * ratio_draw)
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return Box(int(x * (width - w + 1)), int(y * (height - h + 1)), w, h)
    ratio = min(max(width / height, _RATIO[0]), _RATIO[1])
    w, h = min(width, round(height * ratio)), min(height, round(width / ratio))
    return Box((width - w) // 2, (height - h) // 2, w, h)


def random_crop(image: Image.Image, size: int, draws: np.ndarray) -> np.ndarray:
    """Return a random part of an image, resized, mirrored half of the time.

    Args:
        image: RGB.
        size: Height and width of what is returned.
        draws: In [0, 1), shape (41,), as `uniforms` gives them.

    Returns:
        uint8, shape (3, size, size).
    """
    left, top, width, height = random_box(*image.size, draws[:40])
    part = _resized(image.crop((left, top, left + width, top + height)), size, size)
    pixels = _channels_first(part)
    return np.ascontiguousarray(pixels[:, :, ::-1]) if draws[40] < 0.5 else pixels


def middle_crop(image: Image.Image, resize: int, size: int) -> np.ndarray:
    """Return the middle of an image whose shorter side was resized.

    Args:
        image: RGB.
        resize: The shorter side, in pixels, at least ``size``.
        size: Height and width of what is returned.

    Returns:
        uint8, shape (3, size, size).
    """
    width, height = image.size
    shorter = min(width, height)
    image = _resized(image, resize * width // shorter, resize * height // shorter)
    left, top = (round((side - size) / 2.0) for side in image.size)
    return _channels_first(image.crop((left, top, left + size, top + size)))


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    from PIL import Image

    return image.resize((width, height), Image.Resampling.BILINEAR)


def _channels_first(image: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))
