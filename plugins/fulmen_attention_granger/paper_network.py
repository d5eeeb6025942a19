"""The paper's forecasting transformer, and its read-out.

Source: a Spacetimeformer stripped to what keeps a token one neuron, as in
"Attention for Causal Relationship Discovery from Biological Neural Dynamics", arXiv:2311.06928, and its
code (ziyulu-uw/causalformer, MIT), whose choices are named here:

- a token is one neuron at one time: ``Linear([Time2Vec(t), value]) + position(t) + space(neuron)``;
- the encoder attends within a neuron's own tokens ("local") and nowhere else;
- the decoder's queries carry neuron and time, no value; local cross-attention to the own history, then
  global cross-attention to all tokens of all neurons, softmax over all of them;
- batch normalisation before each part, GELU, dropout.

Faster than the code it follows, by the same arithmetic: local attention is batched over neurons in place
of a masked N L x N L one, attention is fused where weights are not asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class PaperDesign:
    """The paper's sizes: 10 rows of context, 10 heads of 8, width 100, hidden 400, dropout .1."""

    variables: int
    context: int = 10
    width: int = 100
    heads: int = 10
    head_width: int = 8
    hidden: int = 400
    dropout: float = 0.1


class Time2Vec(nn.Module):
    """``[w t + b, sin(w t + b), ...]`` (Kazemi et al., arXiv:1907.05321): (..., 1) to (..., width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(1, width)

    def forward(self, time: Tensor) -> Tensor:
        """Return the embedding; the first number is not periodic."""
        projected = self.linear(time)
        return torch.cat([projected[..., :1], torch.sin(projected[..., 1:])], -1)


class Attention(nn.Module):
    """Multi-head attention with ``heads`` heads of ``head_width``: (B, Q, width) and (B, K, width)."""

    def __init__(self, design: PaperDesign) -> None:
        super().__init__()
        self.heads, inner = design.heads, design.heads * design.head_width
        self.query, self.key, self.value = (nn.Linear(design.width, inner) for _ in range(3))
        self.out = nn.Linear(inner, design.width)

    def forward(self, queries: Tensor, tokens: Tensor, weights: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return (B, Q, width) and, if asked for, the weights (B, heads, Q, K), rows summing to 1."""
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part, x in ((self.query, queries), (self.key, tokens), (self.value, tokens))
        )
        if not weights:
            pooled, given = functional.scaled_dot_product_attention(q, k, v), None
        else:
            given = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
            pooled = given @ v
        return self.out(pooled.transpose(1, 2).flatten(2)), given


class Normalised(nn.Module):
    """Batch normalisation over all tokens: (B, tokens, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return x, normalised per feature."""
        normalised: Tensor = self.norm(x.flatten(0, -2)).view(x.shape)
        return normalised


class FeedForward(nn.Sequential):
    """Two position-wise layers with GELU and dropout (the code's conv1d of width 1)."""

    def __init__(self, design: PaperDesign) -> None:
        super().__init__(
            nn.Linear(design.width, design.hidden),
            nn.GELU(),
            nn.Dropout(design.dropout),
            nn.Linear(design.hidden, design.width),
            nn.Dropout(design.dropout),
        )


class PaperNetwork(nn.Module):
    """Forecast the next row of N variables from the last ``context`` rows; see the module's text."""

    def __init__(self, design: PaperDesign) -> None:
        super().__init__()
        self.design, w = design, design.width
        self.time = Time2Vec(1 + 1)
        self.token = nn.Linear(3, w)
        self.position = Time2Vec(w)
        self.space = nn.Embedding(design.variables, w)
        self.dropout = nn.Dropout(design.dropout)
        self.encoder, self.local, self.across = Attention(design), Attention(design), Attention(design)
        self.norms = nn.ModuleList(Normalised(w) for _ in range(7))
        self.encoder_forward, self.decoder_forward = FeedForward(design), FeedForward(design)
        self.out = nn.Linear(w, 1)

    def forward(self, context: Tensor, weights: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return forecasts (B, N) and, if asked for, cross-attention (B, heads, N, N, context).

        Args:
            context: (B, context, N) z-scores, oldest first; 0 where missing.
            weights: Whether to return the attention: targets, sources, rows of the history.
        """
        b, length, n = context.shape
        times = torch.arange(length + 1, dtype=context.dtype, device=context.device)[:, None] / length
        space = self.space.weight[:, None]  # (N, 1, w)
        embedded = self.time(times)  # (context + 1, 2)
        past = torch.cat([embedded[:-1].expand(b, n, length, -1), context.transpose(1, 2)[..., None]], -1)
        position = self.position(times)
        tokens = self.dropout(self.token(past) + position[:-1] + space)  # (B, N, context, w)
        absent = torch.zeros(n, 1, 1, device=context.device)
        asked = self.token(torch.cat([embedded[-1:].expand(n, 1, -1), absent], -1)) + position[-1:] + space
        queries = self.dropout(asked.expand(b, n, 1, -1))

        own = tokens.flatten(0, 1)  # local: a neuron's own tokens
        normal = self.norms[0](own)
        own = own + self.encoder(normal, normal)[0]
        own = own + self.encoder_forward(self.norms[1](own))
        memory = self.norms[2](own)

        x = queries.flatten(0, 1)
        x = x + self.local(self.norms[3](x), memory)[0]
        x = x.view(b, n, -1)
        added, given = self.across(self.norms[4](x), memory.view(b, n * length, -1), weights)
        x = x + added
        x = x + self.decoder_forward(self.norms[5](x))
        forecast = self.out(self.norms[6](x))[..., 0]
        return forecast, None if given is None else given.unflatten(-1, (n, length))


@torch.no_grad()
def paper_readout(network: PaperNetwork, contexts: Tensor, batch: int = 256) -> np.ndarray:
    """Return the paper's matrix: mean cross-attention over windows, heads summed, rows normalised.

    Args:
        network: In eval mode.
        contexts: (windows, context, N), of the test part.
        batch: Windows at a time.

    Returns:
        float64 (targets, sources), each row of sum 1 before its diagonal was set to 0.
    """
    total = torch.zeros(network.design.variables, network.design.variables, dtype=torch.float64)
    for part in torch.split(contexts, batch):
        given = network(part, weights=True)[1]
        total += given.sum((0, 1, 4)).double().cpu()
    matrix: np.ndarray = (total / total.sum(1, keepdim=True)).numpy()
    np.fill_diagonal(matrix, 0.0)
    return matrix
