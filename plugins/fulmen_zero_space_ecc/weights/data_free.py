"""Room for check bits in a network that somebody else trained, without training and without data.

For each scale (one a layer, or one an output channel) the value is searched that loses least when the
weights are rounded to 8 bits and the held ones clipped to [-64, 63]: the least ``sum (w - s q)^2`` over
``q = clip(round(w / s))``. A larger scale clips less and rounds more coarsely. The search tries a
geometric grid below the scale that clips nothing and a finer one around its best, then alternates
between the integers and the scale that fits them best, which can only help.

Sources: minimal-error scales as post-training quantisation knows them (Banner et al., NeurIPS 2019,
arXiv:1810.05723; Nagel et al., arXiv:2106.08295, section 3.1); the box is Guan et al.'s (NeurIPS 2019,
arXiv:1910.14479). To search inside the box in place of training for it is our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fulmen_zero_space_ecc.weights.folding import fold_
from fulmen_zero_space_ecc.weights.pairing import find_pairs
from fulmen_zero_space_ecc.weights.placement import Placement, Segment
from fulmen_zero_space_ecc.weights.quantization import LARGEST, max_abs_scale
from fulmen_zero_space_ecc.weights.scales import Granularity, Scale, broadcastable, channel_axis, rows_of
from fulmen_zero_space_ecc.weights.throttle import HIGH, LOW

_GRID = 96  # steps of 2% from the scale that clips nothing down to 15% of it
_LEAST = 0.15
_FINE = 12  # then as many on each side of the best, to its neighbours: the error is jagged
_IMPROVEMENTS = 3
_CHUNK = 1 << 16  # weights


@dataclass(frozen=True)
class Quantized:
    """One weight tensor in 8 bits.

    Attributes:
        integers: int8, of the weight's shape, contiguous.
        scale: float32, no dimensions, or broadcastable against the weight.
    """

    integers: Tensor
    scale: Tensor

    def dequantized(self) -> Tensor:
        """Return the weights that the integers stand for, float32."""
        return self.integers * self.scale


def best_scale(weight: Tensor, held: Tensor, granularity: Granularity, axis: int = 0) -> Tensor:
    """Return the scale that loses least inside the box.

    Args:
        weight: Floating point and finite, any shape.
        held: bool, of the same shape: which weights must end in [-64, 63]; the others in [-127, 127].
        granularity: One scale for all, or one for each index along ``axis``.
        axis: The axis of the channels.

    Returns:
        float32, positive: no dimensions, or broadcastable against the weight. Where all weights of a
        channel are 0, the largest scale of the others, or 1.
    """
    weight = weight.detach().float()
    if granularity == "layer":
        return _positive(_search(weight.reshape(1, -1), held.reshape(1, -1))).reshape(())
    rows, held_rows = rows_of(weight, axis), rows_of(held, axis)
    # A few channels at a time: their copies stay in the cache, and a hundred million weights in memory.
    chunk = max(1, _CHUNK // rows.shape[1])
    parts = zip(torch.split(rows, chunk), torch.split(held_rows, chunk), strict=True)
    return broadcastable(_positive(torch.cat([_search(*part) for part in parts])), weight.dim(), axis)


def max_scale(weight: Tensor, granularity: Granularity, axis: int = 0) -> Tensor:
    """Return the scale that puts the largest weight of a layer or channel on 127; 1 where all are 0."""
    if granularity == "layer":
        return _positive(max_abs_scale(weight).reshape(1)).reshape(())
    largest = rows_of(weight.detach().float(), axis).abs().amax(1)
    return broadcastable(_positive(largest / LARGEST), weight.dim(), axis)


def quantize_in_box(weight: Tensor, scale: Tensor, held: Tensor | None) -> Quantized:
    """Round weights to 8 bits, the held ones clipped to [-64, 63], the others to [-127, 127].

    Args:
        weight: Floating point, any shape.
        scale: No dimensions, or broadcastable.
        held: bool, of the weight's shape; None: none is held.
    """
    integers = torch.round(weight.detach().float() / scale).clamp_(-LARGEST, LARGEST)
    if held is not None:
        integers = torch.where(held, integers.clamp(LOW, HIGH), integers)
    return Quantized(integers.to(torch.int8).contiguous(), scale)


def sqnr(weight: Tensor, quantized: Quantized) -> float:
    """Return the signal-to-quantisation-noise ratio in dB: ``10 log10(sum w^2 / sum (w - s q)^2)``.

    Infinite where nothing is lost.
    """
    weight = weight.detach().double()
    noise = (weight - quantized.integers.double() * quantized.scale.double()).square().sum()
    return float(10 * torch.log10(weight.square().sum() / noise)) if noise > 0 else float("inf")


def compare(weight: Tensor, held: Tensor, axis: int = 0) -> dict[str, float]:
    """Return what each way of quantising one weight tensor costs, as SQNR in dB.

    Returns:
        ``int8 layer`` and ``int8 channel``: plain, the largest weight on 127, nothing held; ``clip
        layer``: the plain layer's scale, held weights clipped to the box; ``box layer`` and ``box
        channel``: the best scale inside the box.
    """
    plain = {g: max_scale(weight, g, axis) for g in ("layer", "channel")}
    boxed = {g: best_scale(weight, held, g, axis) for g in ("layer", "channel")}
    return {
        "int8 layer": sqnr(weight, quantize_in_box(weight, plain["layer"], None)),
        "int8 channel": sqnr(weight, quantize_in_box(weight, plain["channel"], None)),
        "clip layer": sqnr(weight, quantize_in_box(weight, plain["layer"], held)),
        "box layer": sqnr(weight, quantize_in_box(weight, boxed["layer"], held)),
        "box channel": sqnr(weight, quantize_in_box(weight, boxed["channel"], held)),
    }


def quantize_model(
    model: nn.Module, placed: Placement, granularity: Granularity = "channel"
) -> dict[str, Quantized]:
    """Quantise the weights of a model that `placement` names, held ones inside the box; data-free.

    Args:
        model: The model; not changed. Batch normalisation should be folded first (`prepare_`).
        placed: Its placement.
        granularity: One scale a layer, or one an output channel.

    Returns:
        By name of the weight, in arena order.

    Raises:
        ValueError: a weight is not finite. Names it.
    """
    return {s.name: _of_segment(model, s, granularity) for s in placed.segments}


@torch.no_grad()
def prepare_(model: nn.Module, placed: Placement, granularity: Granularity = "channel") -> dict[str, Any]:
    """Make a trained model ready for in-place protection, in place, without training.

    Folds batch normalisation, searches the scales and sets each placed weight to what its 8-bit
    integer stands for.

    Args:
        model: Trained; its weights are changed.
        placed: Its placement.
        granularity: One scale a layer, or one an output channel.

    Returns:
        What `wot` would have frozen: the ``scales`` by name of the weight, the ``folded`` pairs, and
        activation ranges of 0, which stand for the range of each batch, since no data was seen.

    Raises:
        ValueError: a weight is not finite. Names it; the model may be folded then.
    """
    pairs = find_pairs(model)
    for pair in pairs:
        fold_(model.get_submodule(pair.convolution), model.get_submodule(pair.normalisation))  # type: ignore[arg-type]
    quantized = quantize_model(model, placed, granularity)
    for name, weight in quantized.items():
        model.get_parameter(name).copy_(weight.dequantized())
    layers = [layer for segment in placed.segments for layer in segment.layers]
    return {
        "scales": scales_of(quantized),
        "activation_ranges": dict.fromkeys(layers, 0.0),
        "activation_updates": dict.fromkeys(layers, 0),
        "folded": {pair.convolution: pair.normalisation for pair in pairs if pair.convolution in layers},
    }


def scales_of(quantized: Mapping[str, Quantized]) -> dict[str, Scale]:
    """Return the scales as they are saved: a number, or nested lists of them, by name of the weight."""
    return {name: weight.scale.tolist() for name, weight in quantized.items()}


def _of_segment(model: nn.Module, segment: Segment, granularity: Granularity) -> Quantized:
    weight = model.get_parameter(segment.name).detach()
    if not torch.isfinite(weight).all():
        raise ValueError(f"{segment.name}: some weights are not finite, so that they have no 8-bit values.")
    held = segment.held_mask().to(weight.device)
    axis = channel_axis(model.get_submodule(segment.layers[0]))
    return quantize_in_box(weight, best_scale(weight, held, granularity, axis), held)


def _search(weight: Tensor, held: Tensor) -> Tensor:
    """Return one scale a row of a float32 weight of shape (rows, n); 0 for rows of zeros."""
    low = torch.where(held, float(LOW), float(-LARGEST))
    high = torch.where(held, float(HIGH), float(LARGEST))
    # At this scale nothing is clipped, so that a larger one only rounds more coarsely.
    widest = (weight.abs() / high).amax(1)
    best, least = torch.ones_like(widest), torch.full_like(widest, torch.inf)

    def consider(scale: Tensor) -> Tensor:
        nonlocal best, least
        integers = torch.minimum(torch.maximum(torch.round(weight / scale[:, None]), low), high)
        error = (weight - integers * scale[:, None]).square().sum(1)
        best, least = torch.where(error < least, scale, best), torch.minimum(error, least)
        return integers

    nonzero = torch.where(widest > 0, widest, 1.0)
    for step in range(_GRID + 1):
        consider(nonzero * _LEAST ** (step / _GRID))
    coarse = best
    for step in range(-_FINE, _FINE + 1):
        consider(coarse * _LEAST ** (step / (_GRID * _FINE)))
    for _ in range(_IMPROVEMENTS):
        integers = consider(best)
        fitted = (weight * integers).sum(1) / integers.square().sum(1).clamp_min(1.0)
        consider(torch.where(fitted > 0, fitted, best))
    return torch.where(widest > 0, best, 0.0)


def _positive(scale: Tensor) -> Tensor:
    """Replace zeros, which the rows of zeros have, by the largest of all, or by 1."""
    largest = scale.amax()
    return torch.where(scale > 0, scale, torch.where(largest > 0, largest, 1.0))
