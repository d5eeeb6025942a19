"""How the 8-bit weights of a model are distributed, by layer and by place.

Magnitudes in [0, 32), [32, 64), [64, 128], as the code of Guan et al., NeurIPS 2019, reports them.
Not the same as being held: -64 is in the last bin and still fits into 7 bits, so that what lies
outside of [-64, 63] is counted apart.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fulmen_zero_space_ecc.weights.folding import fold_
from fulmen_zero_space_ecc.weights.pairing import find_pairs
from fulmen_zero_space_ecc.weights.placement import Placement, Segment
from fulmen_zero_space_ecc.weights.quantization import LARGEST, max_abs_scale, quantize
from fulmen_zero_space_ecc.weights.scales import Scale
from fulmen_zero_space_ecc.weights.throttle import HIGH, LOW

BINS = {"[0, 32)": (0, 32), "[32, 64)": (32, 64), "[64, 128]": (64, 129)}
VALUES = np.arange(-128, 128)
_MAGNITUDES = np.abs(VALUES)

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class LayerDistribution:
    """The integers of one weight tensor.

    Attributes:
        name: The layer's name.
        scale: What one step of the integers is worth; the most of all channels, where each has its own.
        held: How often each of -128..127 occurs among the held weights; int64, shape (256,).
        free: Likewise among the free ones.
    """

    name: str
    scale: float
    held: Counts
    free: Counts


def distribution(
    model: nn.Module, placed: Placement, scales: Mapping[str, Scale] | None = None
) -> list[LayerDistribution]:
    """Count the 8-bit weights of each layer of a placement.

    Args:
        model: The model; not changed.
        placed: Its placement.
        scales: The scale of each weight by name, as `wot` saves it; None measures them, largest
            magnitude over 127.

    Raises:
        ValueError: a weight is not finite, or has no scale. Names it.
    """
    return [_of_segment(model.get_parameter(s.name), s, scales) for s in placed.segments]


def folded_copy(model: nn.Module) -> tuple[nn.Module, int]:
    """Return a copy with batch normalisation folded as `wot` would, and how many were folded."""
    model = copy.deepcopy(model)
    pairs = find_pairs(model)
    for pair in pairs:
        fold_(model.get_submodule(pair.convolution), model.get_submodule(pair.normalisation))  # type: ignore[arg-type]
    return model, len(pairs)


def in_bin(counts: Counts, name: str) -> int:
    """Return how many of the counted weights have a magnitude in one of `BINS`."""
    low, high = BINS[name]
    return int(counts[(low <= _MAGNITUDES) & (high > _MAGNITUDES)].sum())


def outside(counts: Counts) -> int:
    """Return how many of the counted weights lie outside [-64, 63]."""
    return int(counts[(VALUES < LOW) | (VALUES > HIGH)].sum())


def total(layers: Iterable[LayerDistribution], place: str) -> Counts:
    """Return the counts of all layers together, ``held`` or ``free``."""
    zero: Counts = np.zeros(len(VALUES), dtype=np.int64)
    return sum((getattr(layer, place) for layer in layers), start=zero)


def _of_segment(weight: Tensor, segment: Segment, scales: Mapping[str, Scale] | None) -> LayerDistribution:
    weight = weight.detach().cpu()
    if not torch.isfinite(weight).all():
        raise ValueError(f"{segment.name}: some weights are not finite, so that they have no 8-bit values.")
    if scales is not None and segment.name not in scales:
        raise ValueError(
            f"{segment.name}: the checkpoint has no frozen scale for it; it is of another model."
        )
    # A layer of zeros has no scale of its own; with any, its integers are zeros.
    scale = max_abs_scale(weight) if scales is None else torch.tensor(scales[segment.name])
    scale = torch.where(scale == 0, 1.0, scale)
    integers = quantize(weight, scale).clamp_(-LARGEST, LARGEST).to(torch.int64).flatten()
    free = torch.zeros(segment.numel, dtype=torch.bool)
    free[segment.free] = True
    name = segment.layers[0] or segment.name
    return LayerDistribution(name, float(scale.amax()), _counts(integers[~free]), _counts(integers[free]))


def _counts(integers: Tensor) -> Counts:
    return torch.bincount(integers + 128, minlength=len(VALUES)).numpy()
