"""Light through two stains: what a slide in haematoxylin and eosin looks like.

Light that passes c units of a stain keeps 10^(-c v) of itself, v being the stain's optical density in red,
green and blue (Beer and Lambert). Stains multiply, so that densities add up.

Source: Ruifrok and Johnston, "Quantification of histochemical staining by color deconvolution", Analytical
and Quantitative Cytology and Histology 23 (2001), for the law and the vectors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

HAEMATOXYLIN = (0.65, 0.70, 0.29)
EOSIN = (0.07, 0.99, 0.11)
WHITE = 245.0  # of the empty slide, of 255


def stain_vectors(generator: np.random.Generator, jitter: float, turn: float = 0.0) -> Floats:
    """Return the densities of both stains on one slide.

    Args:
        generator: Draws.
        jitter: Standard deviation of each entry, before each vector is made of length 1 again.
        turn: Share of the way from each stain towards the other, -1 to 1: another laboratory, another
            scanner.

    Returns:
        float32, shape (2, 3): haematoxylin, eosin; each of length 1, no entry below 0.01.
    """
    pure = np.array([HAEMATOXYLIN, EOSIN])
    mixed = (1 - turn) * pure + turn * pure[::-1]
    drawn = np.maximum(mixed + jitter * generator.standard_normal((2, 3)), 0.01)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), dtype=np.float32)


def transmit(amounts: Floats, vectors: Floats) -> Floats:
    """Return the light that passes.

    Args:
        amounts: Of each stain, shape (height, width, 2), not negative.
        vectors: As `stain_vectors` gives them.

    Returns:
        float32, shape (height, width, 3), 0 to 245.
    """
    return np.asarray(np.float32(WHITE) * np.exp(amounts @ (np.float32(-np.log(10.0)) * vectors)))
