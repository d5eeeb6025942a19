"""Layers that compute with 8-bit weights and activations while their parameters stay as they are.

The float master remains the module's ``weight`` parameter, under the same name: optimisers, state
dicts, checkpoints, and weight averages see no difference. Only while the layer's ``forward`` runs,
an attribute of the same name hides the parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fulmen_zero_space_ecc.weights.quantization import ActivationRanges, fake_quantize_weight
from fulmen_zero_space_ecc.weights.throttle import throttled


@dataclass
class FakeQuantizedLayer:
    """Hooks that quantise one layer's weights and input for the time of its forward pass.

    Attributes:
        scale: float32, no dimensions or broadcastable against the weight: its frozen scale.
        free: Which of the flattened weights are free.
        ranges: The activation ranges of all layers; None leaves activations alone.
        index: This layer's place in ``ranges``.
        active: While False, the layer computes in floating point.
        training: Whether a training batch is being worked on, in which ranges are observed. Not the
            layer's own mode: a part in eval mode can be trained with as well.
        throttled_in_eval: Show throttled weights while not training, which may leave some outside.
    """

    scale: Tensor
    free: slice
    ranges: ActivationRanges | None
    index: int
    active: bool = False
    training: bool = False
    throttled_in_eval: bool = False

    def attach(self, layer: nn.Module) -> list[RemovableHandle]:
        """Hook a layer; the handles returned take the hooks off."""
        before = layer.register_forward_pre_hook(self.hide_parameter, with_kwargs=True)
        # Also after an exception in forward, or the parameter would stay hidden.
        after = layer.register_forward_hook(self.show_parameter, always_call=True)
        return [before, after]

    def hide_parameter(
        self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Before ``forward``: quantise the input, and put the quantised weight over the parameter."""
        if not self.active:
            return None
        weight = self.weight_of(layer)
        if args:
            args = (self._quantize_input(args[0]), *args[1:])
        elif "input" in kwargs:
            kwargs = {**kwargs, "input": self._quantize_input(kwargs["input"])}
        layer.__dict__["weight"] = weight
        return args, kwargs

    def weight_of(self, layer: nn.Module) -> Tensor:
        """Return the weight that the layer computes with: its parameter on the 8-bit grid."""
        weight: Tensor = layer.get_parameter("weight")
        if self.throttled_in_eval and not self.training:
            weight = throttled(weight, self.scale, self.free)
        return fake_quantize_weight(weight, self.scale)

    def show_parameter(self, layer: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """After ``forward``: let the parameter be seen again."""
        layer.__dict__.pop("weight", None)

    def _quantize_input(self, x: Tensor) -> Tensor:
        if self.ranges is None or not x.is_floating_point() or x.numel() == 0:
            return x
        return self.ranges.quantize(self.index, x, observe=self.training)
