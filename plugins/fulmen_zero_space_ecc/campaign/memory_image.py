"""A model's weights as the bytes of a memory, and everything that is needed to read them back."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fulmen_zero_space_ecc.campaign.faults import Bytes, Target
from fulmen_zero_space_ecc.campaign.number_formats import WORD, Floats, to_bytes, to_values
from fulmen_zero_space_ecc.campaign.schemes.base import Arena
from fulmen_zero_space_ecc.weights.folding import fold_
from fulmen_zero_space_ecc.weights.pairing import Pair, find_pairs
from fulmen_zero_space_ecc.weights.placement import BLOCK, Placement, Segment
from fulmen_zero_space_ecc.weights.quantization import max_abs_scale
from fulmen_zero_space_ecc.weights.throttle import HIGH, LOW


@dataclass(frozen=True)
class MemoryImage:
    """A private copy of a model, and its weights as bytes.

    Attributes:
        model: In eval mode, float32; folded normalisations absorbed into the biases of their
            convolutions. It is this object's own: change it freely.
        placement: Where each weight lies, counted in words.
        number_format: ``int8``, ``float32`` or ``bfloat16``.
        content: uint8: all words, then zeros to a multiple of 64 bytes.
        scales: For int8, what one step of each tensor's words is worth: float32, one, or one per
            word; by the name of the weight.
        activation_ranges: For int8, the magnitude that 127 stands for in each layer's input, by name
            of the layer; a layer that is not there keeps its input in float32.
    """

    model: nn.Module
    placement: Placement
    number_format: str
    content: Bytes
    scales: Mapping[str, Floats]
    activation_ranges: Mapping[str, float]

    @property
    def word(self) -> int:
        """Bytes a weight."""
        return WORD[self.number_format]

    def span(self, segment: Segment) -> tuple[int, int]:
        """Return the bytes of a weight tensor: the first, and the first after it."""
        return segment.offset * self.word, (segment.offset + segment.numel) * self.word

    def held(self) -> NDArray[np.bool_]:
        """Return which bytes of an int8 arena are held places: bool, shape (bytes,)."""
        size = len(self.content)
        where = np.arange(size)
        if self.placement.layout == "interleaved":
            return np.less(where, size // BLOCK * (BLOCK - 1))
        return np.not_equal(where % BLOCK, BLOCK - 1)

    def outside(self) -> dict[str, int]:
        """Count held int8 weights outside [-64, 63], by name of the layer; those without any left out."""
        values = self.content.view(np.int8)
        wrong = self.held() & ((values < LOW) | (values > HIGH))
        counts = {s.layers[0]: int(wrong[slice(*self.span(s))].sum()) for s in self.placement.segments}
        return {layer: count for layer, count in counts.items() if count}

    def arena(self) -> Arena:
        """Return what schemes protect."""
        boxed = self.number_format == "int8" and not self.outside()
        return Arena(
            content=self.content,
            word=self.word,
            layout=self.placement.layout,
            held=self.held() if boxed else None,
            segments=tuple(self.span(segment) for segment in self.placement.segments),
        )

    def values(self, segment: Segment, content: Bytes) -> Floats:
        """Return the float32 weights that an arena holds for a tensor, flattened."""
        start, stop = self.span(segment)
        return to_values(content[start:stop], self.number_format, self.scales.get(segment.name))

    def target(self, layers: Sequence[str] | None = None, bits: Sequence[int] | None = None) -> Target:
        """Return the part of the arena that faults can hit: all of it, or some layers and bits.

        Raises:
            ValueError: there is no such layer or bit. Names it.
        """
        width = 8 * self.word
        for bit in bits or ():
            if not 0 <= bit < width:
                raise ValueError(f"bits: {self.number_format} has bits 0 to {width - 1}, not {bit}.")
        chosen = None if bits is None else tuple(sorted(set(bits)))
        if layers is None:
            return Target(((0, len(self.content)),), chosen, self.word)
        known = {layer: segment for segment in self.placement.segments for layer in segment.layers}
        for layer in layers:
            if layer not in known:
                raise ValueError(f"layers: no weights of {layer!r}; there are {', '.join(list(known)[:10])}.")
        spans = sorted({self.span(known[layer]) for layer in layers})
        return Target(tuple(spans), chosen, self.word)


def memory_image(
    model: nn.Module,
    placement: Placement,
    number_format: str = "int8",
    frozen: Mapping[str, Any] | None = None,
) -> MemoryImage:
    """Return a model as it lies in memory; the model itself is not changed.

    Args:
        model: Any module.
        placement: Of its weights.
        number_format: How weights are stored. ``int8`` without ``frozen``: batch normalisation is
            folded and the largest weight of each layer put on 127.
        frozen: For int8: ``scales``, ``activation_ranges`` and ``folded`` as `wot` saves them.

    Raises:
        ValueError: a weight is not finite, or has no scale. Names it.
    """
    own = copy.deepcopy(model).eval().float()
    for parameter in own.parameters():
        parameter.requires_grad_(False)
    _check_finite(own, placement)
    pairs: list[Pair] = []
    if number_format == "int8" and frozen is None:
        pairs = find_pairs(own)
        for pair in pairs:
            fold_(own.get_submodule(pair.convolution), own.get_submodule(pair.normalisation))  # type: ignore[arg-type]
    elif number_format == "int8" and frozen is not None:
        pairs = [Pair(*names) for names in frozen["folded"].items()]
    scales = _scales(own, placement, frozen) if number_format == "int8" else {}
    content = _content(own, placement, number_format, scales)
    for pair in pairs:
        absorb_(own, pair)
    ranges = frozen["activation_ranges"] if number_format == "int8" and frozen is not None else {}
    flat = {name: _per_word(own.get_parameter(name), scale) for name, scale in scales.items()}
    return MemoryImage(
        own, placement, number_format, content, flat, {name: r for name, r in ranges.items() if r > 0}
    )


@torch.no_grad()
def absorb_(model: nn.Module, pair: Pair) -> None:
    """Put a folded normalisation's bias into its convolution and take the normalisation out.

    Folded, it computes the identity but for its bias, at the cost of a pass over its input. One that
    is not quite the identity (it went on learning) stays.
    """
    convolution: Any = model.get_submodule(pair.convolution)
    norm: Any = model.get_submodule(pair.normalisation)
    mean, variance = norm.running_mean, norm.running_var
    if not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
        return
    factor = norm.weight / torch.sqrt(variance + norm.eps)
    if bool((mean != 0).any()) or not torch.allclose(factor, torch.ones_like(factor), rtol=0, atol=1e-6):
        return
    bias = norm.bias
    if convolution.bias is not None:
        bias = convolution.bias + bias
    convolution.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    parent, _, name = pair.normalisation.rpartition(".")
    setattr(model.get_submodule(parent), name, nn.Identity())


def _check_finite(model: nn.Module, placement: Placement) -> None:
    for segment in placement.segments:
        wrong = int((~torch.isfinite(model.get_parameter(segment.name))).sum())
        if wrong:
            raise ValueError(
                f"{segment.name}: {wrong} weights are not finite; train again, or load a sound checkpoint."
            )


def _scales(model: nn.Module, placement: Placement, frozen: Mapping[str, Any] | None) -> dict[str, Tensor]:
    scales = {}
    for segment in placement.segments:
        weight = model.get_parameter(segment.name)
        if frozen is None:
            # A layer of zeros has no scale of its own; with any, its integers are zeros.
            scale = max_abs_scale(weight)
            scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        elif segment.name in frozen["scales"]:
            scale = torch.as_tensor(frozen["scales"][segment.name], dtype=torch.float32)
        else:
            raise ValueError(
                f"{segment.name}: the checkpoint has no frozen scale for it; it is of another model."
            )
        scales[segment.name] = scale.to(weight.device)
    return scales


def _per_word(weight: Tensor, scale: Tensor) -> Floats:
    if scale.dim() == 0:
        return scale.cpu().numpy()
    return scale.expand(weight.shape).contiguous().flatten().cpu().numpy()


def _content(
    model: nn.Module, placement: Placement, number_format: str, scales: Mapping[str, Tensor]
) -> Bytes:
    word = WORD[number_format]
    content = np.zeros(-(-placement.numel * word // 64) * 64, np.uint8)
    for segment in placement.segments:
        words = to_bytes(model.get_parameter(segment.name), number_format, scales.get(segment.name))
        content[segment.offset * word : segment.offset * word + len(words)] = words
    return content
