"""A model made ready for int8 memory while it trains: folded, its scales frozen, its weights boxed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fulmen_zero_space_ecc.fake_quantized import FakeQuantizedLayer
from fulmen_zero_space_ecc.folding import fold_, pin_, pinned_parameters
from fulmen_zero_space_ecc.hinge import outside, pull_, put_back_
from fulmen_zero_space_ecc.pairing import Pair, find_pairs
from fulmen_zero_space_ecc.placement import Placement, Segment
from fulmen_zero_space_ecc.quantization import LARGEST, ActivationRanges, max_abs_scale, quantize
from fulmen_zero_space_ecc.throttle import count_outside, throttle_, throttled


class QuantizedModel:
    """Fake-quantised layers over the float parameters of a model, which keep their names.

    Until `freeze`, the model computes as it is. The order is `pair`, `fold`, `measure_scales`, `freeze`;
    or `load_state_dict` in their place.

    Args:
        model: The model; its parameters are changed in place by `fold` and `throttle_`.
        placement: The arena of its weights.
        activations: Whether to quantise the input of each layer as well.
        activation_decay: The decay of the moving average of the activation ranges, in [0, 1).
        device: Where the model computes.
        throttled_in_eval: Whether layers show throttled weights while not training.
    """

    def __init__(
        self,
        model: nn.Module,
        placement: Placement,
        *,
        activations: bool,
        activation_decay: float,
        device: torch.device,
        throttled_in_eval: bool = False,
    ) -> None:
        self.model = model
        self.placement = placement
        self.started = False
        self.pairs: list[Pair] = []
        self.weights = {segment.name: model.get_parameter(segment.name) for segment in placement.segments}
        owners = [(layer, segment) for segment in placement.segments for layer in segment.layers]
        self._ranges = ActivationRanges(len(owners), activation_decay, device)
        self._layers = {
            layer: FakeQuantizedLayer(
                scale=torch.full((), torch.nan, device=device),
                free=segment.free,
                ranges=self._ranges if activations else None,
                index=index,
                throttled_in_eval=throttled_in_eval,
            )
            for index, (layer, segment) in enumerate(owners)
        }
        self._handles: list[RemovableHandle] = []

    # How it computes.

    def attach(self) -> None:
        """Put the hooks on the layers; does nothing where they are on."""
        if self._handles:
            return
        for name, layer in self._layers.items():
            self._handles += layer.attach(self.model.get_submodule(name))
        self._recompile()

    def detach(self) -> None:
        """Take the hooks off: the model computes with its float parameters again."""
        if not self._handles:
            return
        while self._handles:
            self._handles.pop().remove()
        self._recompile()

    def _recompile(self) -> None:
        """Compiled code does not notice hooks that come or go after it was compiled."""
        modules = self.model.modules()
        if any(hasattr(m, "_orig_mod") or m._compiled_call_impl is not None for m in modules):
            torch.compiler.reset()

    def train(self, training: bool) -> None:
        """Say whether the batches that follow are for training, in which activations are observed."""
        for layer in self._layers.values():
            layer.training = training

    @property
    def seen(self) -> Tensor:
        """The largest activation of each layer since the last `update_ranges`; float32, one each."""
        return self._ranges.seen

    def update_ranges(self, seen: Tensor) -> None:
        """Move the activation ranges towards what was seen, in this or in all processes."""
        self._ranges.update(seen)

    # How it starts.

    def pair(self) -> None:
        """Find where batch normalisation alone follows a convolution of the arena."""
        self.pairs = [pair for pair in find_pairs(self.model) if pair.convolution in self._layers]

    def fold(self) -> list[Tensor]:
        """Fold the pairs; return the parameters that have changed their meaning."""
        changed: list[Tensor] = []
        for convolution, normalisation in self._pair_modules():
            fold_(convolution, normalisation)
            changed += [*convolution.parameters(), *normalisation.parameters()]
        return changed

    def measure_scales(self) -> dict[str, float]:
        """Return the scale of each weight: its largest magnitude divided by 127.

        Raises:
            ValueError: all weights of a layer are 0, or one is not finite. Names the layer.
        """
        return {name: _scale(name, weight) for name, weight in self.weights.items()}

    def freeze(self, scales: Mapping[str, float]) -> None:
        """Fix the scales, by name of the weight, and compute in 8 bits from now on."""
        for segment in self.placement.segments:
            for layer in segment.layers:
                self._layers[layer].scale.fill_(scales[segment.name])
                self._layers[layer].active = True
        self.started = True

    # What it holds.

    def hold_normalisations(self) -> None:
        """Keep folded normalisations what folding made them: the identity, in eval mode."""
        for convolution, normalisation in self._pair_modules():
            normalisation.eval()
            pin_(convolution, normalisation)

    def pinned_parameters(self) -> list[Tensor]:
        """Return the parameters of folded normalisations that must not learn."""
        return [parameter for pair in self._pair_modules() for parameter in pinned_parameters(*pair)]

    def scale(self, segment: Segment) -> Tensor:
        """Return the frozen scale of a weight: float32, no dimensions, on the weight's device."""
        return self._layers[segment.layers[0]].scale.to(self.weights[segment.name].device)

    def throttle_(self, segments: Iterable[Segment] | None = None) -> None:
        """Clamp weights into their boxes, all or those of some segments."""
        for segment in self.placement.segments if segments is None else segments:
            throttle_(self.weights[segment.name], self.scale(segment), segment.free)

    def pull_(self, strength: float, segments: Iterable[Segment] | None = None) -> None:
        """Move weights outside of their boxes a part of the way back."""
        for segment in self.placement.segments if segments is None else segments:
            pull_(self.weights[segment.name], self.scale(segment), segment.free, strength)

    def count_outside(self, segments: Iterable[Segment] | None = None) -> dict[str, Tensor]:
        """Count the held weights outside [-64, 63], by name of the weight; int64 on the device."""
        chosen = self.placement.segments if segments is None else segments
        return {s.name: count_outside(self.weights[s.name], self.scale(s), s.free) for s in chosen}

    def fingerprint(self) -> str:
        """Return a hash of all 8-bit weights and scales: equal in processes that hold the same."""
        digest = hashlib.blake2b(digest_size=16)
        for segment in self.placement.segments:
            scale = self.scale(segment)
            integers = quantize(self.weights[segment.name], scale).clamp_(-LARGEST - 1, LARGEST)
            digest.update(integers.to("cpu", torch.int8).contiguous().numpy().tobytes())
            digest.update(scale.cpu().numpy().tobytes())
        return digest.hexdigest()

    # How it is kept.

    def state_dict(self) -> dict[str, Any]:
        """Return scales, activation ranges and folded pairs as plain numbers and strings."""
        return {
            "scales": {segment.name: float(self.scale(segment)) for segment in self.placement.segments},
            "activation_ranges": dict(zip(self._layers, self._ranges.largest.tolist(), strict=True)),
            "activation_updates": dict(zip(self._layers, self._ranges.updates.tolist(), strict=True)),
            "folded": {pair.convolution: pair.normalisation for pair in self.pairs},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state: the parameters must be those that were saved with it.

        Raises:
            ValueError: the state is of another model; names at most ten weights that differ.
        """
        differing = sorted(set(state["scales"]) ^ set(self.weights))
        if differing:
            raise ValueError(
                f"the frozen scales are of another model; weights that differ: {', '.join(differing[:10])}"
            )
        self.pairs = [Pair(convolution, norm) for convolution, norm in state["folded"].items()]
        for index, layer in enumerate(self._layers):
            self._ranges.largest[index] = state["activation_ranges"][layer]
            self._ranges.updates[index] = state["activation_updates"][layer]
        self.freeze(state["scales"])

    def outside(self) -> dict[str, dict[str, Tensor]]:
        """Return the weights outside of their boxes, so that a throttle can be undone."""
        found = {}
        for segment in self.placement.segments:
            indices, values = outside(self.weights[segment.name], self.scale(segment), segment.free)
            if len(indices):
                found[segment.name] = {"indices": indices.cpu(), "values": values.cpu()}
        return found

    def put_back_(self, found: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Undo a throttle with what `outside` returned before it."""
        for name, entries in found.items():
            put_back_(self.weights[name], entries["indices"], entries["values"])

    def show_throttled(self, state: dict[str, Any], prefix: str) -> None:
        """Replace the weights in a state dict of the model, prefixed, by throttled copies."""
        segments = {id(self.weights[segment.name]): segment for segment in self.placement.segments}
        for name, parameter in self.model.named_parameters(remove_duplicate=False):
            segment = segments.get(id(parameter))
            if segment is not None and prefix + name in state:
                state[prefix + name] = throttled(parameter, self.scale(segment), segment.free)

    def _pair_modules(self) -> list[tuple[Any, Any]]:
        find = self.model.get_submodule
        return [(find(pair.convolution), find(pair.normalisation)) for pair in self.pairs]


def _scale(name: str, weight: Tensor) -> float:
    scale = float(max_abs_scale(weight))
    if scale == 0:
        raise ValueError(
            f"{name}: all weights are 0, so that no scale can be frozen; start later (start_epoch), "
            "or name the layer in `ignore`."
        )
    if not scale < float("inf"):
        raise ValueError(f"{name}: some weights are not finite, so that no scale can be frozen.")
    return scale
