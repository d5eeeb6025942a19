"""Synthetic patches that look like tissue in haematoxylin and eosin, with lymphocytes that were counted.

Synthetic: whatever is measured on them says how methods compare, not how well any of them reads real tissue.
A patch is positive if it holds two lymphocytes or more, as in the labels of Abousamra et al. (Frontiers in
Oncology 2022, 806603), where a patch is 50 x 50 um at 0.5 um a pixel. One and two are drawn often: they are
what is hard. Besides lymphocytes (small, round, dark, smooth) there are tumour nuclei (large, pale, with a
rim and a texture), spindles (long), dead cells (tiny, darkest, in a pink ring) and red blood cells (pink
discs without a nucleus).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fulmen_evolution.stains import stain_vectors, transmit

Floats = NDArray[np.float32]

COUNTS = (0, 1, 2, 3, 4, 6, 9, 13)
CHANCES = (0.20, 0.30, 0.20, 0.08, 0.07, 0.06, 0.05, 0.04)  # half of all patches are positive
POSITIVE = 2


@dataclass(frozen=True)
class TissueSettings:
    """How the tissue looks.

    Attributes:
        size: Height and width in pixels, 32 or more.
        stain_jitter: Standard deviation of the stains' vectors from patch to patch.
        stain_turn: Share of the way from each stain towards the other: 0 is one laboratory, .15 another.
        stain_strength: Factor of both stains' amounts.
        nucleus_scale: Factor of all radii: another magnification, another tissue.
        crowding: Factor of the number of other cells.
        blur: Standard deviation of the optics, in pixels, above 0.
        noise: Standard deviation of the sensor, of 255 levels.
    """

    size: int = 100
    stain_jitter: float = 0.03
    stain_turn: float = 0.0
    stain_strength: float = 1.0
    nucleus_scale: float = 1.0
    crowding: float = 1.0
    blur: float = 0.7
    noise: float = 3.0

    def __post_init__(self) -> None:
        bounds = {
            "size": (32, 1024),
            "stain_jitter": (0, 0.3),
            "stain_turn": (-0.5, 0.5),
            "stain_strength": (0.2, 3),
            "nucleus_scale": (0.5, 2),
            "crowding": (0, 3),
            "blur": (0.1, 10),
            "noise": (0, 50),
        }
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}; expected {least} to {most}")


def draw_patch(
    generator: np.random.Generator, settings: TissueSettings, lymphocytes: int | None = None
) -> tuple[NDArray[np.uint8], int]:
    """Return a patch, and how many lymphocytes are in it.

    Args:
        generator: Draws; the same state gives the same patch.
        settings: How it looks.
        lymphocytes: How many; None: drawn. Fewer where there is no room.

    Returns:
        uint8, shape (size, size, 3), and the number.
    """
    canvas = _Canvas(generator, settings)
    if lymphocytes is None:
        lymphocytes = int(generator.choice(COUNTS, p=CHANCES))
    room = settings.crowding * (settings.size / 100) ** 2
    for paint, mean in (
        (canvas.red_cell, 1.5),
        (canvas.tumour, 6.0),
        (canvas.spindle, 3.0),
        (canvas.dead, 1.2),
    ):
        for _ in range(int(generator.poisson(mean * room))):
            paint()
    # Last, so that nothing hides them: the label is what can be seen.
    placed = sum(canvas.lymphocyte() for _ in range(lymphocytes))
    return canvas.develop(), placed


class _Canvas:
    """Amounts of both stains on a patch."""

    def __init__(self, generator: np.random.Generator, settings: TissueSettings) -> None:
        self._draw, self._settings, size = generator, settings, settings.size
        self._vectors = stain_vectors(generator, settings.stain_jitter, settings.stain_turn)
        stroma = 0.22 + 0.10 * _texture(generator, size, 6) + 0.05 * _texture(generator, size, 18)
        lumen = 1 / (1 + np.exp(-8 * (_texture(generator, size, 4) - generator.uniform(0.9, 2.2))))
        self._eosin = np.maximum(stroma, 0.02) * (1 - 0.9 * lumen)
        self._haematoxylin = 0.04 + 0.02 * np.abs(_texture(generator, size, 12)) * (1 - lumen)
        self._lymphocytes: list[tuple[float, float]] = []

    def develop(self) -> NDArray[np.uint8]:
        """Blur, stain, expose."""
        settings, size = self._settings, self._settings.size
        optics = _blur(size, settings.blur)
        amounts = np.stack(
            [optics @ part.astype(np.float32) @ optics.T for part in (self._haematoxylin, self._eosin)],
            axis=-1,
        )
        light = transmit(np.float32(settings.stain_strength) * amounts, self._vectors)
        light += np.float32(settings.noise) * self._draw.standard_normal((size, size, 3), dtype=np.float32)
        return np.clip(np.rint(light), 0, 255).astype(np.uint8)

    def lymphocyte(self) -> bool:
        """Paint one apart from the others; say whether there was room."""
        radius = self._draw.uniform(5.5, 7.5) * self._settings.nucleus_scale
        for _ in range(20):
            x, y = self._draw.uniform(radius, self._settings.size - radius, 2).tolist()
            if all((x - a) ** 2 + (y - b) ** 2 > (1.6 * radius) ** 2 for a, b in self._lymphocytes):
                self._lymphocytes.append((x, y))
                self._nucleus(x, y, radius, 1.0, self._draw.uniform(0.95, 1.25), wobble=0.04)
                return True
        return False

    def tumour(self) -> None:
        """Paint a large pale nucleus with a rim and a texture."""
        radius, amount = self._draw.uniform(9, 15), self._draw.uniform(0.35, 0.6)
        self._nucleus(
            *self._place(),
            radius * self._settings.nucleus_scale,
            self._draw.uniform(1, 1.5),
            amount,
            0.1,
            True,
        )

    def spindle(self) -> None:
        """Paint a long nucleus."""
        radius, amount = self._draw.uniform(3, 4.5), self._draw.uniform(0.6, 0.95)
        self._nucleus(
            *self._place(), radius * self._settings.nucleus_scale, self._draw.uniform(2.8, 4.5), amount, 0.06
        )

    def dead(self) -> None:
        """Paint a tiny, darkest nucleus in a pink ring: dark as a lymphocyte, and no lymphocyte."""
        x, y = self._place()
        radius = self._draw.uniform(2.5, 4) * self._settings.nucleus_scale
        self._disc(x, y, 2.4 * radius, 0.35)
        self._nucleus(x, y, radius, self._draw.uniform(1, 1.4), self._draw.uniform(1.1, 1.5), 0.15)

    def red_cell(self) -> None:
        """Paint a pink disc."""
        self._disc(*self._place(), self._draw.uniform(5.5, 7) * self._settings.nucleus_scale, 0.55)

    def _place(self) -> tuple[float, float]:
        x, y = self._draw.uniform(0, self._settings.size, 2).tolist()
        return x, y

    def _disc(self, x: float, y: float, radius: float, amount: float) -> None:
        rows, columns, dx, dy = self._window(x, y, radius)
        inside = np.clip(radius - np.sqrt(dx * dx + dy * dy), 0, 1)
        part = self._eosin[rows, columns]
        np.maximum(part, amount * inside, out=part)

    def _nucleus(
        self,
        x: float,
        y: float,
        radius: float,
        aspect: float,
        amount: float,
        wobble: float,
        rim: bool = False,
    ) -> None:
        """Paint an ellipse of a given area, wobbling: r(t) = r (1 + sum_k a_k cos(k t + p_k))."""
        # Python's floats, not numpy's: these would make all that follows float64, at twice the time.
        turn, stretch = float(self._draw.uniform(0, np.pi)), math.sqrt(aspect)
        rows, columns, dx, dy = self._window(x, y, radius * stretch * (1 + 3 * wobble))
        cosine, sine = math.cos(turn), math.sin(turn)
        u = (cosine / stretch) * dx + (sine / stretch) * dy
        v = (cosine * stretch) * dy - (sine * stretch) * dx
        reach = np.sqrt(u * u + v * v) + np.float32(1e-6)
        depth = radius * (1 + self._wave(u / reach, v / reach, wobble)) - reach
        density = np.float32(amount) * np.clip(depth, 0, 1)
        if rim:
            density *= 0.75 + 0.6 * np.exp(-((depth - 1.2) ** 2))
            # Chromatin, which the optics smooth.
            density *= 1 + 0.5 * self._draw.standard_normal(density.shape, dtype=np.float32)
        part = self._haematoxylin[rows, columns]
        np.maximum(part, density, out=part)

    def _wave(self, cosine: Floats, sine: Floats, wobble: float) -> Floats:
        """Return a_2 cos(2 t + p_2) + a_3 cos(3 t + p_3) of the angle t, from its cosine and sine alone."""
        (a2, a3), (p2, p3) = self._draw.standard_normal(2).tolist(), self._draw.uniform(0, 6.283, 2).tolist()
        cosine2, sine2 = 2 * cosine * cosine - 1, 2 * sine * cosine
        cosine3, sine3 = cosine2 * cosine - sine2 * sine, sine2 * cosine + cosine2 * sine
        wave: Floats = (wobble * a2 * math.cos(p2)) * cosine2 - (wobble * a2 * math.sin(p2)) * sine2
        wave += (wobble * a3 * math.cos(p3)) * cosine3 - (wobble * a3 * math.sin(p3)) * sine3
        return wave

    def _window(self, x: float, y: float, reach: float) -> tuple[slice, slice, Floats, Floats]:
        """Return the pixels that a thing of this reach can touch, and how far they are from its middle.

        The distances have shapes (1, width) and (height, 1): together they stand for all pixels.
        """
        size = self._settings.size
        rows = slice(max(int(y - reach - 1), 0), min(int(y + reach + 2), size))
        columns = slice(max(int(x - reach - 1), 0), min(int(x + reach + 2), size))
        dy = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - np.float32(y)
        dx = np.arange(columns.start, columns.stop, dtype=np.float32)[None] - np.float32(x)
        return rows, columns, dx, dy


def _texture(generator: np.random.Generator, size: int, cells: int) -> Floats:
    """Return smooth noise of variance about 1, with so many cells across."""
    coarse = generator.standard_normal((cells, cells), dtype=np.float32)
    spread = _interpolation(size, cells)
    return np.asarray(1.6 * (spread @ coarse @ spread.T), dtype=np.float32)


@functools.lru_cache(maxsize=32)
def _interpolation(size: int, cells: int) -> Floats:
    """Return the matrix of linear interpolation from cells to pixels."""
    place = np.linspace(0, cells - 1, size)
    weights: Floats = np.maximum(1 - np.abs(place[:, None] - np.arange(cells)), 0).astype(np.float32)
    return weights


@functools.lru_cache(maxsize=32)
def _blur(size: int, sigma: float) -> Floats:
    """Return the matrix of a Gaussian blur along one axis, its rows of sum 1."""
    offset = np.arange(size)
    weights = np.exp(-((offset[:, None] - offset) ** 2) / (2 * sigma**2))
    return np.asarray(weights / weights.sum(1, keepdims=True), dtype=np.float32)
