"""Faults in activations: the inputs of layers as they lie in memory between two layers.

The input of each protectable layer is rounded to the bytes that memory would hold (int8 by its range,
float32, bfloat16), bits of these flip, and the layer computes with what is read back. No scheme protects
activations here; the campaign's scheme is ``none``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fulmen_zero_space_ecc.campaign.faults import FaultModel, Target, draw, flip_, stream
from fulmen_zero_space_ecc.campaign.number_formats import to_bytes, to_values
from fulmen_zero_space_ecc.campaign.resident import Resident
from fulmen_zero_space_ecc.campaign.trial import Outcome
from fulmen_zero_space_ecc.weights.quantization import LARGEST


class ActivationMemory:
    """Where the inputs of layers pass through, and meet faults while a trial runs.

    Args:
        seed: Of all faults.
        fault_model: How faults gather.
        number_format: What activations are stored as.
        ranges: For int8, the magnitude that 127 stands for, by name of the layer.
        layers: The layers whose input can be hit.
        bits: Bit numbers within each number; None: all.
    """

    def __init__(
        self,
        seed: int,
        fault_model: FaultModel,
        number_format: str,
        ranges: Mapping[str, float],
        layers: list[str],
        bits: tuple[int, ...] | None = None,
    ) -> None:
        self.seed = seed
        self.fault_model = fault_model
        self.number_format = number_format
        self.bits = bits
        self.inputs: dict[str, Callable[[Tensor], Tensor]] = {
            layer: self._input(layer, ranges.get(layer)) for layer in layers
        }
        self._trial: tuple[float, int] | None = None
        self._passed: dict[str, int] = {}
        self.flips = 0

    def trial(self, resident: Resident, rate: float, number: int) -> Outcome:
        """Run all images once with faults at a rate."""
        self._trial, self._passed, self.flips = (rate, number), {}, 0
        try:
            accuracy = resident.accuracy()
        finally:
            self._trial = None
        return Outcome(accuracy, 0, 0, self.flips, self.flips, f"{rate:g}/{number}")

    def _input(self, layer: str, largest: float | None) -> Callable[[Tensor], Tensor]:
        scale = None if largest is None else torch.tensor(largest / LARGEST).clamp_min(1e-30)

        def pass_through(x: Tensor) -> Tensor:
            if not x.is_floating_point() or (self.number_format == "int8" and scale is None):
                return x
            content = to_bytes(x, self.number_format, scale)
            if self._trial is not None:
                rate, number = self._trial
                batch = self._passed[layer] = self._passed.get(layer, -1) + 1
                word = len(content) // x.numel()
                target = Target(((0, len(content)),), self.bits, word)
                keys = ("activations", self.fault_model.name, layer, rate, number, batch)
                faults = draw(self.fault_model, target, rate, stream(self.seed, *keys))
                flips = faults.flips(content)
                flip_(content, flips)
                self.flips += len(flips)
            step = None if scale is None else scale.numpy()
            values = np.ascontiguousarray(to_values(content, self.number_format, step))
            return torch.from_numpy(values).view(x.shape).to(x.device)

        return pass_through


def run_activation_piece(bench: Any, piece: dict[str, Any]) -> list[list[Any]]:
    """Run the trials of one piece; ``bench`` is the pair of a Resident and its ActivationMemory."""
    resident, memory = bench
    first = piece["first"]
    trials = range(first, first + piece["count"])
    return [memory.trial(resident, piece["rate"], trial).plain() for trial in trials]


@torch.no_grad()
def measured_ranges(model: torch.nn.Module, layers: list[str], images: list[Tensor]) -> dict[str, float]:
    """Return the largest magnitude that enters each layer, over some batches of images."""
    ranges: dict[str, float] = {}

    def note(layer: str) -> Callable[..., None]:
        def hook(module: Any, args: Any, kwargs: Any) -> None:
            x = args[0] if args else kwargs["input"]
            if x.is_floating_point():
                ranges[layer] = max(ranges.get(layer, 0.0), float(x.abs().amax()))

        return hook

    handles = [
        model.get_submodule(layer).register_forward_pre_hook(note(layer), with_kwargs=True)
        for layer in layers
    ]
    try:
        for batch in images:
            model(batch)
    finally:
        for handle in handles:
            handle.remove()
    return ranges
