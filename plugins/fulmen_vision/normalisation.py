"""Mean and spread of each colour channel."""

from __future__ import annotations

import numpy as np

_CHUNK = 1024


def channel_moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the pixels of each channel.

    Args:
        images: uint8, shape (n, channels, height, width), n at least 1.

    Returns:
        Two float64 arrays of shape (channels,), in the images' units (0 to 255). The deviation
        (of the population) of a channel of one single value is given as 1, so that it can divide.
    """
    levels = np.arange(256)
    counts = np.zeros((images.shape[1], 256), dtype=np.int64)
    # Counts of the 256 levels are exact and small; squares of all pixels as floats are neither.
    for start in range(0, len(images), _CHUNK):
        for channel, row in enumerate(counts):
            row += np.bincount(images[start : start + _CHUNK, channel].reshape(-1), minlength=256)
    pixels = counts.sum(axis=1)
    mean = (counts * levels).sum(axis=1) / pixels
    variance = (counts * np.square(levels - mean[:, None])).sum(axis=1) / pixels
    return mean, np.where(variance > 0, np.sqrt(variance), 1.0)
