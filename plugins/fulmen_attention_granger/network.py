"""Knock-out attention: forecasts whose dependence on each source can be taken away exactly.

One token a source: values ``v_j = W x_j + MLP(x_j)`` of its own history ``x_j``; no source sees another
before the cross-attention, so that token j carries nothing of k. Target i pools them by signed,
static attention, several heads ``h`` (no softmax: inhibition is negative, and a target without parents
gives no weight away)::

    z_ih = sum_j A_hij v_jh      (j != i)
    y_i  = own(x_i) + w z_i + MLP([z_i, x_i]),      log s2_i = g(x_i)

Value, head and variance networks are shared by all variables (a bias of its own is what tells one from
another); pooling is additive, so that the forecast without source j is ``head(z_i - A_ij v_j)``: one
pass gives all pairs.

Every parameter has a leading dimension: members (folds, seeds) are trained side by side as one program.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Design:
    """The shape of the network.

    Attributes:
        targets: Variables that are forecast, N.
        sources: Series that are looked at, M >= N: the variables, then phantoms.
        channels: Numbers per token, C (see ``Windows.history``).
        nonlinear: With the MLPs; without, the forecast is a low-rank vector autoregression.
        variance: Forecast the variance too, from the target's own history.
        heads: Attention heads, H.
        width: Values per head, d.
        hidden: Width of the MLPs.
    """

    targets: int
    sources: int
    channels: int
    nonlinear: bool = True
    variance: bool = False
    heads: int = 4
    width: int = 4
    hidden: int = 32


class Forecast(NamedTuple):
    """What the network says of a batch of B windows, K members side by side.

    Attributes:
        mean: (K, B, N) forecast z-scores.
        log_variance: (K, B, N), or None.
        values: (K, B, M, H, d) of each source, before the attention.
    """

    mean: Tensor
    log_variance: Tensor | None
    values: Tensor


class KnockoutAttention(nn.Module):
    """See the module's text.

    Args:
        design: Shapes.
        seeds: One seed a member; a member's parameters depend on its own seed alone. No parameter
            depends on the place of a variable, so that permuting variables permutes the result.
        span: The smallest and the largest history. Half of the hidden units bend somewhere between
            them instead of near the mean: a spike is 5 deviations away from it, and a network whose
            units all bend near 0 learns late that nothing below counts (Izhikevich, N = 40, p = .8:
            AUROC .93 without, .96 with).
    """

    # log variance is clamped: a spike's run-up would else be given no weight at all, or infinite weight.
    LOG_VARIANCE = (-5.0, 3.0)

    def __init__(self, design: Design, seeds: Sequence[int], span: tuple[float, float] = (-3.0, 3.0)) -> None:
        super().__init__()
        self.design, k = design, len(seeds)
        n, m, c, hidden = design.targets, design.sources, design.channels, design.hidden
        d = design.heads * design.width
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]

        def normal(*shape: int, scale: float) -> nn.Parameter:
            return nn.Parameter(torch.stack([torch.randn(shape, generator=g) * scale for g in generators]))

        def bends(weight: nn.Parameter, scale: float) -> nn.Parameter:
            bias, half = normal(hidden, scale=scale), hidden // 2
            low, high = span
            places = normal(c, half, scale=1.0)
            with torch.no_grad():
                uniform = low + (high - low) * torch.special.ndtr(places)
                bias[:, :half] = -(weight[:, :, :half] * uniform).sum(1)
            return bias

        def zeros(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(k, *shape))

        # Queries of the targets and keys of the sources are static, so that their products, at full
        # rank, are parameters themselves.
        self.attention = nn.Parameter(
            normal(design.heads, 1, 1, scale=0.5 / math.sqrt(n))
            .detach()
            .expand(k, design.heads, n, m)
            .clone()
        )
        self.value_linear = normal(c, d, scale=0.7 / math.sqrt(c))
        self.own_linear = zeros(n, c)
        self.head_linear = normal(d, 1, scale=0.3 / math.sqrt(d))
        self.bias = zeros(n)
        if design.nonlinear:
            self.value_in = normal(c, hidden, scale=c**-0.5)
            self.value_bias = bends(self.value_in, 0.5)
            self.value_node = zeros(m, hidden)
            self.value_out = normal(hidden, d, scale=0.3 / math.sqrt(hidden))
            self.head_pooled = normal(d, hidden, scale=(d + c) ** -0.5)
            self.head_own = normal(c, hidden, scale=(d + c) ** -0.5)
            self.head_bias, self.head_node = bends(self.head_own, 0.3), zeros(n, hidden)
            self.head_out = zeros(hidden, 1)
        if design.variance:
            self.variance_in, self.variance_bias = normal(c, 16, scale=c**-0.5), normal(16, scale=0.5)
            self.variance_out, self.variance_node = zeros(16, 1), zeros(n)
        self.others: Tensor
        self.register_buffer("others", 1 - torch.eye(n, m))

    def signed_attention(self) -> Tensor:
        """Return A, (K, H, N, M), 0 where target and source are the same variable."""
        return self.attention * self.others

    def values(self, history: Tensor) -> Tensor:
        """Return (K, B, M, H, d) of histories (K, B, M, C)."""
        k, b, m, c = history.shape
        flat = history.reshape(k, b * m, c)
        values = flat @ self.value_linear
        if self.design.nonlinear:
            inner = (flat @ self.value_in).view(k, b, m, -1) + (self.value_node + self.value_bias[:, None])[
                :, None
            ]
            values = values + functional.gelu(inner, approximate="tanh").view(k, b * m, -1) @ self.value_out
        return values.view(k, b, m, self.design.heads, self.design.width)

    def pool(self, values: Tensor, attention: Tensor) -> Tensor:
        """Return z, (K, B, N, H d), of values (K, B, M, H, d) and attention (K, H, N, M)."""
        k, b, m, h, d = values.shape
        by_head = values.permute(0, 3, 2, 1, 4).reshape(k, h, m, b * d)
        pooled = (attention @ by_head).view(k, h, -1, b, d)
        return pooled.permute(0, 3, 2, 1, 4).reshape(k, b, -1, h * d)

    def own(self, history: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return what the targets' own histories (K, B, N, C) add: to the forecast, inside the head."""
        k, b, n, c = history.shape
        forecast = (history * self.own_linear[:, None]).sum(-1) + self.bias[:, None]
        if not self.design.nonlinear:
            return forecast, None
        inner = (history.reshape(k, b * n, c) @ self.head_own).view(k, b, n, -1)
        return forecast, inner + (self.head_node + self.head_bias[:, None])[:, None]

    def head(self, pooled: Tensor, own: tuple[Tensor, Tensor | None]) -> Tensor:
        """Return the forecast (K, B, N) of pooled values (K, B, N, H d)."""
        k, b, n, d = pooled.shape
        flat = pooled.reshape(k, b * n, d)
        forecast = own[0] + (flat @ self.head_linear).view(k, b, n)
        if own[1] is not None:
            inner = functional.gelu((flat @ self.head_pooled).view(k, b, n, -1) + own[1], approximate="tanh")
            forecast = forecast + (inner.view(k, b * n, -1) @ self.head_out).view(k, b, n)
        return forecast

    def log_variance(self, history: Tensor) -> Tensor | None:
        """Return (K, B, N) of the targets' own histories (K, B, N, C), or None."""
        if not self.design.variance:
            return None
        k, b, n, c = history.shape
        inner = (history.reshape(k, b * n, c) @ self.variance_in).view(k, b, n, -1)
        inner = functional.gelu(inner + self.variance_bias[:, None, None], approximate="tanh").view(
            k, b * n, -1
        )
        log = self.variance_node[:, None] + (inner @ self.variance_out).view(k, b, n)
        return log.clamp(*self.LOG_VARIANCE)

    def forward(self, history: Tensor, keep: Tensor | None = None) -> Forecast:
        """Forecast a batch.

        Args:
            history: (K, B, M, C).
            keep: (K, B, M), 0 for a source that is knocked out of this window; None: all are there.
        """
        values = self.values(history)
        seen = values if keep is None else values * keep[..., None, None]
        own = history[:, :, : self.design.targets]
        pooled = self.pool(seen, self.signed_attention())
        return Forecast(self.head(pooled, self.own(own)), self.log_variance(own), values)


def one_member(network: KnockoutAttention, index: int) -> KnockoutAttention:
    """Return a copy of one member as a network of its own (K = 1), without gradients."""
    alone = KnockoutAttention(network.design, [0]).to(network.attention.device)
    shared = {"others"}
    state = {
        name: tensor if name in shared else tensor[index : index + 1].clone()
        for name, tensor in network.state_dict().items()
    }
    alone.load_state_dict(state)
    return alone.requires_grad_(False)
