"""A model that computes from protected bytes: weights decoded where they are used, or in a shadow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fulmen_zero_space_ecc.protected.decoding import WeightReader, dequantize
from fulmen_zero_space_ecc.protected.form import Mended, ProtectedForm
from fulmen_zero_space_ecc.protected.policies import Policy
from fulmen_zero_space_ecc.training.fake_quantized import FakeQuantizedLayer
from fulmen_zero_space_ecc.weights.placement import Segment
from fulmen_zero_space_ecc.weights.quantization import ActivationRanges

Mode = Literal["decode_on_use", "shadow"]


class ProtectedModel:
    """Lets a model compute from a protected form, until `detach`.

    While attached, the float weights are out of the model: each protected layer has an int8 buffer
    ``weight`` in the place of the parameter, a view of the arena, so that a state dict, a move to
    another file or a look at the model shows what is stored. All other floats of the model are views
    of the form's buffer, so that a scrub mends what the model reads.

    Args:
        model: The model that the form was made of, in eval mode when it is used.
        form: Its protected form, on the model's device; changed by faults and scrubs alone.
        activation_ranges: The magnitude that 127 stands for in the input of each layer, by name of the
            layer; None computes with activations as they come.
        mode: ``decode_on_use`` decodes a layer's weights each time the layer is used. ``shadow`` keeps
            float copies that `scrub` refreshes: faster, four times the memory, and a fault in a
            copy stays until the next scrub.

    Raises:
        ValueError: the model is compiled with frozen weights, which are copies that no scrub reaches.
    """

    def __init__(
        self,
        model: nn.Module,
        form: ProtectedForm,
        activation_ranges: Mapping[str, float] | None = None,
        mode: Mode = "decode_on_use",
    ) -> None:
        if _is_compiled(model):
            _refuse_frozen()
            # Decoding is compiled already, and what a trace took for constant may be mended later.
            self.weight_of_use = torch.compiler.disable(self.weight_of_use)  # type: ignore[method-assign, no-untyped-call]
        self.model, self.form, self.mode = model, form, mode
        self._owners = [(layer, s) for s in form.placed.segments for layer in s.layers]
        self._ranges = _ranges(self._owners, activation_ranges, form.payload.device)
        self._shadows: dict[str, Tensor] = {}
        # Fresh memory costs as much as the decoding: where nothing looks back, layers share a place.
        scratch = torch.empty(max((s.numel for s in form.placed.segments), default=0))
        self._weights: dict[str, _Weight] = {
            s.name: _CompiledWeight(form, s, scratch)
            if form.payload.device.type == "cpu"
            else _TorchWeight(form, s)
            for s in form.placed.segments
        }
        self._handles: list[RemovableHandle] = []
        self._parameters: dict[str, nn.Parameter] = {}
        self._data: list[tuple[Tensor, Tensor]] = []

    @property
    def shadow_bytes(self) -> int:
        """The bytes of the float copies that ``mode: shadow`` keeps."""
        return sum(shadow.numel() * shadow.element_size() for shadow in self._shadows.values())

    def attach(self) -> None:
        """Take the float weights out of the model and let its layers compute from the form."""
        if self._handles:
            return
        for index, (layer, segment) in enumerate(self._owners):
            module = self.model.get_submodule(layer)
            stored = self.form.payload[segment.offset : segment.offset + segment.numel].view(segment.shape)
            self._parameters[layer] = module._parameters.pop("weight")  # type: ignore[assignment]
            module.register_buffer("weight", stored)
            self._handles += _ProtectedLayer(self, segment, self._ranges, index).attach(module)
        tensors = dict(_named_tensors(self.model))
        for place in self.form.bare:
            tensor = tensors[place.name]
            self._data.append((tensor, tensor.data))
            tensor.data = self.form.floats[place.span].view(place.shape)
        self._refresh()

    def detach(self) -> None:
        """Give the model its float weights back, as they were."""
        while self._handles:
            self._handles.pop().remove()
        for layer, parameter in self._parameters.items():
            module = self.model.get_submodule(layer)
            del module._buffers["weight"]
            module._parameters["weight"] = parameter
        for tensor, data in self._data:
            tensor.data = data
        self._parameters, self._data, self._shadows = {}, [], {}

    def scrub(
        self, policy: Policy = "leave", golden: ProtectedForm | None = None, threads: int = 1
    ) -> Mended:
        """Mend the form, as `ProtectedForm.scrub_`; what computes sees the mended numbers from now on."""
        mended = self.form.scrub_(policy, golden, threads)
        self._refresh()
        return mended

    def weight(self, segment: Segment) -> Tensor:
        """Return a weight as float32, decoded now or in the last scrub."""
        if (shadow := self._shadows.get(segment.name)) is not None:
            return shadow
        return self._weights[segment.name].fresh()

    def weight_of_use(self, segment: Segment) -> Tensor:
        """Return a weight for one use of its layer; without gradients it lasts until the next layer's."""
        if self._shadows or torch.is_grad_enabled():
            return self.weight(segment)
        return self._weights[segment.name].shared()

    def _refresh(self) -> None:
        if self.mode == "shadow" and self._handles:
            self._shadows = {}
            self._shadows = {s.name: self.weight(s) for s in self.form.placed.segments}


class _Weight(Protocol):
    """A weight that is decoded from the form."""

    def fresh(self) -> Tensor:
        """Return it in a place of its own."""

    def shared(self) -> Tensor:
        """Return it in a place that the next weight may take."""


class _CompiledWeight:
    """A weight that compiled loops decode: on the CPU."""

    def __init__(self, form: ProtectedForm, segment: Segment, scratch: Tensor) -> None:
        scale = form.scale_in_place(segment.name).numpy()
        self._reader = WeightReader(form.payload.numpy(), segment, form.placed.layout, scale)
        self._shared = scratch[: segment.numel].view(segment.shape)
        self._shared_flat = scratch[: segment.numel].numpy()

    def fresh(self) -> Tensor:
        weight = torch.empty_like(self._shared)
        self._reader.read(weight.view(-1).numpy())
        return weight

    def shared(self) -> Tensor:
        self._reader.read(self._shared_flat)
        return self._shared


@dataclass
class _TorchWeight:
    """A weight that torch decodes: on any device."""

    form: ProtectedForm
    segment: Segment

    def fresh(self) -> Tensor:
        scale = self.form.scale_in_place(self.segment.name)
        return dequantize(self.form.payload, self.segment, self.form.placed.layout, scale)

    def shared(self) -> Tensor:
        return self.fresh()


@dataclass
class _ProtectedLayer(FakeQuantizedLayer):
    """The hooks of a layer whose weight comes from a protected form."""

    def __init__(
        self, source: ProtectedModel, segment: Segment, ranges: ActivationRanges | None, index: int
    ) -> None:
        super().__init__(torch.ones(()), segment.free, ranges, index, active=True)
        self.source, self.segment = source, segment

    def weight_of(self, layer: nn.Module) -> Tensor:
        return self.source.weight_of_use(self.segment)


def _named_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _ranges(
    owners: list[tuple[str, Segment]], largest: Mapping[str, float] | None, device: torch.device
) -> ActivationRanges | None:
    if largest is None:
        return None
    ranges = ActivationRanges(len(owners), 0.0, device)
    ranges.largest.copy_(torch.tensor([largest[layer] for layer, _ in owners]))
    return ranges


def _is_compiled(model: nn.Module) -> bool:
    return any(hasattr(m, "_orig_mod") or m._compiled_call_impl is not None for m in model.modules())


def _refuse_frozen() -> None:
    from torch._inductor import config  # some seconds, for those alone who compile

    if config.freezing:
        raise ValueError(
            "the model is compiled with frozen weights (torch._inductor.config.freezing), which are copies "
            "that no scrub reaches; set freezing to False."
        )
