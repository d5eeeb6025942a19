"""Which weights give up a bit: the one definition that training, analysis and encoding share.

All weights of a model form one arena of bytes, one byte per 8-bit weight, in the order in which
``model.named_modules()`` meets their layers, each weight in its own contiguous (out, in, kh, kw)
order. The tail is padded with zeros to a multiple of 64 bytes. The arena falls into blocks of 8
bytes; in each block, 7 weights are *held* in [-64, 63], which frees one bit in each for a check
bit, and the eighth is *free* to use all of its 8 bits.

Layouts of the blocks, for an arena of N bytes:

- ``paper``: a block is 8 consecutive bytes; byte ``i`` is free where ``i % 8 == 7``.
- ``interleaved``: the arena is 8 planes of N/8 bytes and block ``b`` takes byte ``b`` of each plane;
  the last plane is free. Neighbouring bytes lie in different blocks, so that a burst of faults
  harms each block once, and a whole plane can be checked with wide instructions.

Source: Guan et al., NeurIPS 2019 (arXiv:1910.14479), for ``paper``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy

Layout = Literal["interleaved", "paper"]

BLOCK = 8  # weights a block
ALIGNMENT = 64  # bytes; 512 bits, the widest register that the checks may use

PROTECTABLE = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d,
    nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
    nn.Linear, nn.Embedding,
)  # fmt: skip
_NORMALISATIONS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


@dataclass(frozen=True)
class Segment:
    """The place of one weight tensor in the arena.

    Attributes:
        name: The parameter's name in the model; the first of them, if layers share it.
        layers: The names of the layers that use it.
        shape: The tensor's shape.
        offset: Where its first byte lies in the arena.
        free: Which of its flattened weights are free; the others are held.
    """

    name: str
    layers: tuple[str, ...]
    shape: tuple[int, ...]
    offset: int
    free: slice

    @property
    def numel(self) -> int:
        """How many weights it has."""
        return torch.Size(self.shape).numel()

    @property
    def num_free(self) -> int:
        """How many of its weights are free."""
        return len(range(self.numel)[self.free])

    @property
    def num_held(self) -> int:
        """How many of its weights are held in [-64, 63]."""
        return self.numel - self.num_free

    def held_mask(self) -> Tensor:
        """Return a bool tensor of the weight's shape, True where the weight is held."""
        mask = torch.ones(self.numel, dtype=torch.bool)
        mask[self.free] = False
        return mask.view(self.shape)


@dataclass(frozen=True)
class Placement:
    """The arena of a model: its segments in order, without gaps, then the padding.

    Attributes:
        layout: How bytes form blocks.
        segments: One per weight tensor, in arena order.
    """

    layout: Layout
    segments: tuple[Segment, ...]

    @property
    def numel(self) -> int:
        """How many weights the arena holds."""
        return sum(segment.numel for segment in self.segments)

    @property
    def size(self) -> int:
        """The arena's bytes, padding included: a multiple of 64."""
        return _aligned(self.numel)

    @property
    def padding(self) -> int:
        """The zero bytes at the end, at most 63; all that the protection costs in a model."""
        return self.size - self.numel

    @property
    def num_held(self) -> int:
        """How many weights are held in [-64, 63]."""
        return sum(segment.num_held for segment in self.segments)


def placement(model: nn.Module, layout: Layout = "interleaved", ignore: Sequence[str] = ()) -> Placement:
    """Return where each weight of a model lies in the arena, and which of them are held.

    Args:
        model: Any module. Its convolutions (grouped, depthwise, transposed), linear layers and
            embeddings are placed; biases and normalisation parameters are not.
        layout: ``interleaved`` or ``paper``.
        ignore: Names of modules or parameters (``"teacher"``, ``"network.position"``) to leave out
            with all that is below them.

    Returns:
        The placement. It depends on the names, order and shapes of the layers alone, so that a
        model and its checkpoint have the same one in every process and at any time.

    Raises:
        ValueError: a layer has weights that cannot be protected (recurrent, attention, packed,
            re-parametrised, not yet initialised), a name in ``ignore`` matches nothing, there is
            nothing to protect, or the layout is unknown. Names the layer.
    """
    if layout not in get_args(Layout):
        raise ValueError(f"layout {layout!r} is unknown; choose one of {', '.join(get_args(Layout))}.")
    weights = _weights(model, _ignored(model, ignore))
    if not weights:
        raise ValueError("the model has no convolution, linear or embedding layer to protect.")
    shapes = [(name, tuple(layers), tuple(weight.shape)) for name, (weight, layers) in weights.items()]
    return Placement(layout, segments_of(layout, shapes))


def segments_of(
    layout: Layout, weights: Sequence[tuple[str, tuple[str, ...], tuple[int, ...]]]
) -> tuple[Segment, ...]:
    """Return the segments of an arena of these weights, each a name, the layers that use it, a shape."""
    numels = [torch.Size(shape).numel() for _, _, shape in weights]
    size = _aligned(sum(numels))
    segments, offset = [], 0
    for (name, layers, shape), numel in zip(weights, numels, strict=True):
        segments.append(Segment(name, layers, shape, offset, _free(layout, size, offset, numel)))
        offset += numel
    return tuple(segments)


def _aligned(numel: int) -> int:
    return -(-numel // ALIGNMENT) * ALIGNMENT


def _free(layout: Layout, size: int, offset: int, numel: int) -> slice:
    if layout == "paper":
        return slice((BLOCK - 1 - offset) % BLOCK, None, BLOCK)
    last_plane = size // BLOCK * (BLOCK - 1)
    return slice(min(max(last_plane - offset, 0), numel), None)


def _weights(model: nn.Module, ignored: set[str]) -> dict[str, tuple[Tensor, list[str]]]:
    """Name each weight tensor once, in order, with the layers that use it."""
    first_name: dict[int, str] = {}
    weights: dict[str, tuple[Tensor, list[str]]] = {}
    for layer, module in _kept(model, ignored):
        if isinstance(module, PROTECTABLE):
            weight = _own_weight(layer, module)
            name = first_name.setdefault(id(weight), f"{layer}.weight".lstrip("."))
            weights.setdefault(name, (weight, []))[1].append(layer)
        elif not isinstance(module, _NORMALISATIONS):
            _refuse_bare_matrices(layer, module, ignored)
    return weights


def _kept(model: nn.Module, ignored: set[str]) -> Iterator[tuple[str, nn.Module]]:
    for name, module in model.named_modules():
        if not any(_is_within(name, root) for root in ignored):
            yield name, module


def _own_weight(layer: str, module: nn.Module) -> Tensor:
    weight = module._parameters.get("weight")
    if weight is None:
        raise ValueError(
            f"{_called(layer, module)}: its weight is not a parameter of its own (re-parametrised or "
            "packed); remove the parametrisation before training, or name the layer in `ignore`."
        )
    if is_lazy(weight):
        raise ValueError(
            f"{_called(layer, module)}: not initialised yet; run one batch through the model first."
        )
    if not weight.is_floating_point():
        raise ValueError(
            f"{_called(layer, module)}: its weight is {weight.dtype}, real floating point is needed; "
            "name the layer in `ignore` to leave it unprotected."
        )
    return weight


def _refuse_bare_matrices(layer: str, module: nn.Module, ignored: set[str]) -> None:
    if hasattr(module, "_packed_params"):
        raise ValueError(
            f"{_called(layer, module)}: packed weights cannot be protected, they hide a copy; "
            "use the float layer, or name it in `ignore`."
        )
    for name, parameter in module.named_parameters(recurse=False):
        full_name = f"{layer}.{name}".lstrip(".")
        if full_name in ignored or (not is_lazy(parameter) and parameter.dim() < 2):
            continue
        raise ValueError(
            f"{_called(layer, module)}: parameter {full_name!r} cannot be protected; convolution, linear and "
            f"embedding weights can. Name it in `ignore` (ignore: [{full_name}]) to leave it unprotected."
        )


def _ignored(model: nn.Module, ignore: Sequence[str]) -> set[str]:
    known = {name for name, _ in model.named_modules()} | {name for name, _ in model.named_parameters()}
    for name in ignore:
        if not name or name not in known:
            raise ValueError(f"ignore: the model has no module or parameter called {name!r}.")
    return set(ignore)


def _is_within(name: str, root: str) -> bool:
    return name == root or name.startswith(f"{root}.")


def _called(layer: str, module: nn.Module) -> str:
    return (
        f"layer {layer!r} ({type(module).__name__})"
        if layer
        else f"the model itself ({type(module).__name__})"
    )
