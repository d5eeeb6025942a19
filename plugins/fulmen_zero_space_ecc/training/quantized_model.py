"""A model made ready for int8 memory while it trains: folded, its scales frozen, its weights boxed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fulmen_zero_space_ecc.training.admm import penalty_gradient, update_
from fulmen_zero_space_ecc.training.fake_quantized import FakeQuantizedLayer
from fulmen_zero_space_ecc.training.hinge import outside, pull_, put_back_
from fulmen_zero_space_ecc.training.velocity import remove_outward_
from fulmen_zero_space_ecc.weights.data_free import best_scale
from fulmen_zero_space_ecc.weights.folding import fold_, pin_, pinned_parameters
from fulmen_zero_space_ecc.weights.pairing import Pair, find_pairs
from fulmen_zero_space_ecc.weights.placement import Placement, Segment
from fulmen_zero_space_ecc.weights.quantization import LARGEST, ActivationRanges, max_abs_scale, quantize
from fulmen_zero_space_ecc.weights.scales import Granularity, Scale, blank, channel_axis, granularity_of
from fulmen_zero_space_ecc.weights.throttle import count_outside, throttle_, throttled


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
        scales: One scale a layer, or one for each output channel.
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
        scales: Granularity = "layer",
    ) -> None:
        self.model = model
        self.granularity: Granularity = scales
        self.placement = placement
        self.started = False
        self.pairs: list[Pair] = []
        self.weights = {segment.name: model.get_parameter(segment.name) for segment in placement.segments}
        owners = [(layer, segment) for segment in placement.segments for layer in segment.layers]
        self._ranges = ActivationRanges(len(owners), activation_decay, device)
        self._layers = {
            layer: FakeQuantizedLayer(
                scale=blank(self.weights[segment.name], model.get_submodule(layer), scales).to(device),
                free=segment.free,
                ranges=self._ranges if activations else None,
                index=index,
                throttled_in_eval=throttled_in_eval,
            )
            for index, (layer, segment) in enumerate(owners)
        }
        self._handles: list[RemovableHandle] = []
        self._admm: dict[str, tuple[Tensor, Tensor]] = {}  # Z and U, from the first step of mode admm on

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

    def measure_scales(self) -> dict[str, Scale]:
        """Return the scale of each weight, as it is saved.

        One a layer is its largest magnitude divided by 127. Those of the channels are searched so
        that the least is lost inside the box (`data_free`): with the largest magnitude of each channel
        on 127, ten times as many weights would be large.

        Raises:
            ValueError: all weights of a layer are 0, or one is not finite. Names the layer.
        """
        return {segment.name: self._measured(segment) for segment in self.placement.segments}

    def _measured(self, segment: Segment) -> Scale:
        weight = self.weights[segment.name]
        of_layer = _scale(segment.name, weight)
        if self.granularity == "layer":
            return of_layer
        axis = channel_axis(self.model.get_submodule(segment.layers[0]))
        held = segment.held_mask().to(weight.device)
        found: Scale = best_scale(weight, held, "channel", axis).tolist()
        return found

    def freeze(self, scales: Mapping[str, Scale]) -> None:
        """Fix the scales, by name of the weight, and compute in 8 bits from now on."""
        for segment in self.placement.segments:
            for layer in segment.layers:
                self._layers[layer].scale.copy_(torch.tensor(scales[segment.name]))
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
        """Return the frozen scale of a weight: float32, no dimensions or broadcastable, on its device."""
        return self._layers[segment.layers[0]].scale.to(self.weights[segment.name].device)

    def throttle_(self, segments: Iterable[Segment] | None = None) -> None:
        """Clamp weights into their boxes, all or those of some segments."""
        for segment in self.placement.segments if segments is None else segments:
            throttle_(self.weights[segment.name], self.scale(segment), segment.free)

    def pull_(self, strength: float, segments: Iterable[Segment] | None = None) -> None:
        """Move weights outside of their boxes a part of the way back."""
        for segment in self.placement.segments if segments is None else segments:
            pull_(self.weights[segment.name], self.scale(segment), segment.free, strength)

    def remove_outward_(self, optimizer: torch.optim.Optimizer, segments: Iterable[Segment]) -> None:
        """Take away the velocity that an optimiser would carry throttled weights out of their boxes by."""
        maximizing = {
            id(p) for group in optimizer.param_groups if group.get("maximize") for p in group["params"]
        }
        for segment in segments:
            weight = self.weights[segment.name]
            state = optimizer.state.get(weight, {})
            remove_outward_(weight, self.scale(segment), segment.free, state, id(weight) in maximizing)

    def penalise_(self, rho: float, segments: Iterable[Segment]) -> None:
        """Add ADMM's penalty to the gradients of those weights that have one."""
        for segment in segments:
            weight = self.weights[segment.name]
            if weight.grad is not None and segment.name in self._admm:
                weight.grad += penalty_gradient(*self._admm[segment.name], weight, rho)

    def update_admm_(self, segments: Iterable[Segment]) -> None:
        """Update ADMM's projected weights and dual after a step of the optimiser."""
        for segment in segments:
            weight = self.weights[segment.name].detach()
            projected, dual = self._admm.setdefault(
                segment.name, (torch.zeros_like(weight), torch.zeros_like(weight))
            )
            update_(projected, dual, weight, self.scale(segment), segment.free)

    def admm_state(self) -> dict[str, dict[str, Tensor]]:
        """Return ADMM's projected weights and dual by name of the weight, on the CPU."""
        return {
            name: {"projected": projected.cpu().clone(), "dual": dual.cpu().clone()}
            for name, (projected, dual) in self._admm.items()
        }

    def load_admm_state(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Go on with what `admm_state` returned."""
        for name, parts in state.items():
            weight = self.weights[name].detach()
            projected, dual = (torch.empty_like(weight).copy_(parts[p]) for p in ("projected", "dual"))
            self._admm[name] = (projected, dual)

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
        """Return scales, activation ranges and folded pairs as plain numbers, lists and strings."""
        return {
            "scales": {segment.name: self.scale(segment).tolist() for segment in self.placement.segments},
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
        theirs = {granularity_of(scale) for scale in state["scales"].values()}
        if theirs != {self.granularity}:
            raise ValueError(
                f"the frozen scales are one a {theirs.pop()}, one a {self.granularity} is asked for; set "
                "scales to the checkpoint's"
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
