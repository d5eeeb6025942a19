"""A small network of every kind of layer that can be protected, and its protected form."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from fulmen_zero_space_ecc.protected.form import ProtectedForm, own_state, protect
from fulmen_zero_space_ecc.weights.placement import placement
from fulmen_zero_space_ecc.weights.quantization import max_abs_scale
from fulmen_zero_space_ecc.weights.throttle import throttle_


class EveryLayer(nn.Module):
    """Embedding, grouped, depthwise and transposed convolution, linear; a tied head; normalisations."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(16, 8)
        self.grouped = nn.Conv1d(8, 12, 3, padding=1, groups=2)
        self.norm = nn.BatchNorm1d(12)
        self.depthwise = nn.Conv1d(12, 12, 3, padding=1, groups=12, bias=False)
        self.transposed = nn.ConvTranspose1d(12, 8, 3, padding=1)
        self.layer_norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 16, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.norm(self.grouped(self.embed(tokens).mT))
        x = self.transposed(self.depthwise(x).relu())
        return self.head(self.layer_norm(x.mT))


TOKENS = torch.arange(64).remainder(16).view(4, 16)


def held_model(layout: str = "interleaved", seed: int = 0) -> tuple[EveryLayer, dict[str, float]]:
    """Return a network whose weights are held in the box, and its scales."""
    torch.manual_seed(seed)
    model = EveryLayer()
    model.train()(TOKENS)  # the batch normalisation has statistics
    model.eval()
    scales = {}
    for segment in placement(model, layout).segments:
        weight = model.get_parameter(segment.name)
        scale = max_abs_scale(weight)
        throttle_(weight, scale, segment.free)
        scales[segment.name] = float(scale)
    return model, scales


def protected(layout: str = "interleaved", method: str = "mantissa") -> tuple[EveryLayer, ProtectedForm]:
    model, scales = held_model(layout)
    state, aliases = own_state(model)
    return model, protect(state, placement(model, layout), scales, method, aliases)


def same_bytes(one: ProtectedForm, other: ProtectedForm) -> bool:
    """Whether two forms hold the same bits."""
    return np.array_equal(one.payload.numpy(), other.payload.numpy()) and np.array_equal(
        one.floats.numpy().view(np.uint32), other.floats.numpy().view(np.uint32)
    )
