"""A model's numbers as they lie in memory that can fail: every one under a code, at no extra byte.

The weights that `placement` names are int8 in one arena, whose check bits stand in the bits that the
box leaves free (code/). All other floating-point numbers (scales, biases, normalisations) lie in
one buffer of float32, by default with check bits in the last bits of their mantissas (code/floats.py).
Integer buffers, such as a count of batches, stay as they are: evaluation does not read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from fulmen_zero_space_ecc.code import arena
from fulmen_zero_space_ecc.code import floats as float_codes
from fulmen_zero_space_ecc.protected.policies import Policy, mend_
from fulmen_zero_space_ecc.weights.placement import Placement
from fulmen_zero_space_ecc.weights.quantization import LARGEST, quantize
from fulmen_zero_space_ecc.weights.scales import Scale
from fulmen_zero_space_ecc.weights.throttle import HIGH, LOW


@dataclass(frozen=True)
class Place:
    """Where a tensor lies in the buffer of floats: its name, its shape, its first number."""

    name: str
    shape: tuple[int, ...]
    offset: int

    @property
    def span(self) -> slice:
        """Its numbers in the buffer."""
        return slice(self.offset, self.offset + torch.Size(self.shape).numel())


@dataclass(frozen=True)
class Mended:
    """What one scrub found.

    Attributes:
        corrected: Bits set right, in weights and in floats.
        detected: Blocks and pairs of floats with two wrong bits, which the policy then met.
    """

    corrected: int = 0
    detected: int = 0

    def __add__(self, other: Mended) -> Mended:
        return Mended(self.corrected + other.corrected, self.detected + other.detected)


@dataclass
class ProtectedForm:
    """The arena and the floats of a model, and where each tensor lies in them.

    Attributes:
        placed: The arena's plan.
        scales: Where the scale of each weight lies in ``floats``, by name of the weight: without
            dimensions, or in a shape that broadcasts against the weight.
        bare: Where all other floating-point tensors lie in ``floats``.
        payload: int8, ``placed.size`` bytes, contiguous: the encoded arena.
        floats: float32, of even length, contiguous, on the same device: encoded.
        method: How floats are encoded: ``mantissa``, ``secded72`` or ``triple``.
        spare: uint8: what ``method`` keeps beside the floats; empty for ``mantissa``.
        others: Integer tensors by name, as they are.
        aliases: Further names of tensors that several modules share, each with the first name.
    """

    placed: Placement
    scales: tuple[Place, ...]
    bare: tuple[Place, ...]
    payload: Tensor
    floats: Tensor
    method: float_codes.Method
    spare: Tensor
    others: dict[str, Tensor]
    aliases: dict[str, str]

    @property
    def extra_bytes(self) -> int:
        """Bytes beyond one per weight and four per float: the padding of both, and what is kept beside."""
        return self.placed.padding + 4 * (self.floats.numel() - self._used) + self.spare.numel()

    @property
    def _used(self) -> int:
        return max((place.span.stop for place in (*self.scales, *self.bare)), default=0)

    def scrub_(
        self, policy: Policy = "leave", golden: ProtectedForm | None = None, threads: int = 1
    ) -> Mended:
        """Correct every block and pair of floats with one wrong bit; leave those with two to the policy.

        Args:
            policy: What becomes of a block of weights with two wrong bits (policies.py). Pairs of floats
                are left, re-read, or raised about; there is no estimate of them.
            golden: Where ``golden`` reads what is right.
            threads: How many threads the weights are scrubbed with.

        Raises:
            UncorrectableError: there is such a block and the policy is ``raise``.

        The memory of another device is read over, mended here, and written back where that changed it.
        """
        if self.payload.device.type != "cpu":
            here = self.to(torch.device("cpu"))
            mended = here.scrub_(policy, golden, threads)
            if mended != Mended():
                self.copy_(here)
            return mended
        bytes_ = self.payload.numpy()
        scrubbed = arena.scrub_(bytes_, self.placed.layout, threads)
        numbers = float_codes.scrub_(self.floats.numpy(), self.spare.numpy(), self.method)
        if len(scrubbed.detected) or len(numbers.detected):
            mend_(self, scrubbed.detected, numbers.detected, policy, golden)
        return Mended(scrubbed.corrected + numbers.corrected, len(scrubbed.detected) + len(numbers.detected))

    def to(self, device: torch.device) -> ProtectedForm:
        """Return the form with its bytes on a device; as it stands, right or wrong."""
        payload, floats, spare = (part.to(device) for part in (self.payload, self.floats, self.spare))
        return replace(self, payload=payload, floats=floats, spare=spare)

    def copy_(self, other: ProtectedForm) -> None:
        """Take over the bytes of a form of the same model."""
        self.payload.copy_(other.payload)
        self.floats.copy_(other.floats)
        self.spare.copy_(other.spare)

    def integers(self) -> dict[str, Tensor]:
        """Return the weights as int8, by name, without their check bits; as they stand, right or wrong."""
        decoded = torch.from_numpy(arena.decode(self.payload.numpy(), self.placed.layout))
        return {
            segment.name: decoded[segment.offset : segment.offset + segment.numel].view(segment.shape)
            for segment in self.placed.segments
        }

    def scale(self, name: str) -> Tensor:
        """Return a copy of the scale of a weight, which broadcasts against it."""
        return self.scale_in_place(name).clone()

    def scale_in_place(self, name: str) -> Tensor:
        """Return the scale of a weight where it is stored: a view, which a scrub mends."""
        place = next(place for place in self.scales if place.name == name)
        return self.floats[place.span].view(place.shape)

    def numbers(self) -> dict[str, Tensor]:
        """Return copies of the floating-point tensors beside weights and scales, by name."""
        return {place.name: self.floats[place.span].clone().view(place.shape) for place in self.bare}

    def state_dict(self) -> dict[str, Tensor]:
        """Return the float state that these bytes stand for: weights times scales, and all the rest."""
        weights = {name: value.float() * self.scale(name) for name, value in self.integers().items()}
        state = {**weights, **self.numbers(), **self.others}
        return {**state, **{alias: state[name] for alias, name in self.aliases.items()}}

    def integer_state_dict(self) -> dict[str, Tensor]:
        """Return weights as plain int8, their scales as ``<weight>_scale``, and all the rest in float."""
        scales = {f"{name}_scale": self.scale(name) for name in (s.name for s in self.placed.segments)}
        return {**self.integers(), **scales, **self.numbers(), **self.others}


def protect(
    state: Mapping[str, Tensor],
    placed: Placement,
    scales: Mapping[str, Scale],
    method: float_codes.Method = "mantissa",
    aliases: Mapping[str, str] | None = None,
) -> ProtectedForm:
    """Bring a model's state into its protected form.

    Args:
        state: The model's state dict, each tensor once; not changed.
        placed: The arena of its weights.
        scales: The scale of each weight by name, as saved states have it (scales.py).
        method: How the floats are protected: ``mantissa``, ``secded72`` or ``triple``.
        aliases: Further names of shared tensors, as `own_state` gives them.

    Raises:
        ValueError: a weight or float is not finite, a held weight lies outside [-64, 63] (names the
            weights, counts them), or a tensor is neither float32 nor of integers.
    """
    scale_tensors = {s.name: torch.tensor(scales[s.name], dtype=torch.float32) for s in placed.segments}
    integers = {s.name: _integers(s.name, state[s.name], scale_tensors[s.name]) for s in placed.segments}
    _require_held(integers, placed)
    payload = torch.zeros(placed.size, dtype=torch.int8)
    for segment in placed.segments:
        payload[segment.offset : segment.offset + segment.numel] = integers[segment.name].flatten()
    arena.encode_(payload.numpy(), placed.layout)
    rest = {name: tensor.detach() for name, tensor in state.items() if name not in integers}
    bare = {name: tensor for name, tensor in rest.items() if tensor.is_floating_point()}
    _require_float32(bare)
    places = _lay_out([*scale_tensors.items(), *bare.items()])
    buffer = torch.zeros(_even(sum(t.numel() for t in (*scale_tensors.values(), *bare.values()))))
    for place, tensor in zip(places, (*scale_tensors.values(), *bare.values()), strict=True):
        buffer[place.span] = tensor.flatten()
    spare = torch.from_numpy(float_codes.encode_(buffer.numpy(), method))
    others = {name: tensor.cpu().clone() for name, tensor in rest.items() if name not in bare}
    return ProtectedForm(
        placed,
        places[: len(integers)],
        places[len(integers) :],
        payload,
        buffer,
        method,
        spare,
        others,
        dict(aliases or {}),
    )


def own_state(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return parameters and persistent buffers, each once under its first name; and its further names."""
    first: dict[int, str] = {}
    state, aliases = {}, {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if not isinstance(tensor, Tensor):
            raise ValueError(
                f"{name}: a {type(tensor).__name__} in the state dict, which cannot be protected."
            )
        if id(tensor) in first:
            aliases[name] = first[id(tensor)]
        else:
            first[id(tensor)] = name
            state[name] = tensor
    return state, aliases


def _integers(name: str, weight: Tensor, scale: Tensor) -> Tensor:
    weight = weight.detach().cpu()
    if not torch.isfinite(weight).all():
        raise ValueError(
            f"{name}: some weights are not finite (NaN or infinite), so that they have no 8-bit values."
        )
    return quantize(weight, scale).clamp_(-LARGEST, LARGEST).to(torch.int8)


def _require_held(integers: Mapping[str, Tensor], placed: Placement) -> None:
    counts = {}
    for segment in placed.segments:
        held = integers[segment.name][segment.held_mask()]
        if count := int(((held < LOW) | (held > HIGH)).sum()):
            counts[segment.name] = count
    if counts:
        listed = ", ".join(f"{name}: {count:,}" for name, count in list(counts.items())[:10])
        raise ValueError(
            f"{sum(counts.values()):,} held weights lie outside [-64, 63] ({listed}); there is no room for "
            "their check bits. Train with the callback wot (a few epochs), or use the data-free mode."
        )


def _require_float32(bare: Mapping[str, Tensor]) -> None:
    for name, tensor in bare.items():
        if tensor.dtype != torch.float32:
            raise ValueError(f"{name}: is {tensor.dtype}; float32 is needed to protect it: model.float().")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name}: some values are not finite (NaN or infinite).")


def _lay_out(tensors: Iterable[tuple[str, Tensor]]) -> tuple[Place, ...]:
    places, offset = [], 0
    for name, tensor in tensors:
        places.append(Place(name, tuple(tensor.shape), offset))
        offset += tensor.numel()
    return tuple(places)


def _even(count: int) -> int:
    return count + count % 2
