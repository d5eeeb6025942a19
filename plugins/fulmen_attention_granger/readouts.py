"""Read-outs: what a trained network says of each pair, as pure functions.

Those that need no forecast are here (the paper's raw attention among them); those that compare forecasts
are means over the blocks of ``knockout.Knockouts``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fulmen_attention_granger.knockout import READ_OUTS, Knockouts
from fulmen_attention_granger.network import KnockoutAttention


@torch.no_grad()
def raw_attention(network: KnockoutAttention) -> np.ndarray:
    """Return ``sum_h |A_hij|`` of one member, float64 (targets, sources)."""
    weights: np.ndarray = network.signed_attention()[0].abs().sum(0).double().cpu().numpy()
    return weights


@torch.no_grad()
def weighted_attention(network: KnockoutAttention, history: Tensor) -> np.ndarray:
    """Return ``(sum_h (A_hij sd(v_jh))^2)^.5``: attention times the size of what it weighs.

    Args:
        network: One member.
        history: (n, M, C).
    """
    values = network.values(history[None])[0]  # (n, M, H, d)
    variance = (values - values.mean(0)).square().mean((0, 3))  # (M, H)
    size = (network.signed_attention()[0].square() * variance.T[:, None]).sum(0).sqrt()
    weights: np.ndarray = size.double().cpu().numpy()
    return weights


def gradient(network: KnockoutAttention, history: Tensor, lags: int) -> np.ndarray:
    """Return the mean size of ``d y_i / d x_j(t - lag)``, summed over lags, float64 (targets, sources).

    Args:
        network: One member.
        history: (n, M, C); cost grows as n N M C H d.
        lags: How many of the channels are lags.
    """
    design = network.design
    h, d = design.heads, design.width
    z = history[None].detach().requires_grad_(True)
    values = network.values(z)
    flat = values.flatten(3)
    slopes = [  # of each value in its own token's channels: tokens do not mix
        torch.autograd.grad(flat[..., index].sum(), z, retain_graph=True)[0][0] for index in range(h * d)
    ]
    by_value = torch.stack(slopes, -1).view(*slopes[0].shape, h, d)[:, :, :lags]  # (n, M, lags, H, d)
    pooled = network.pool(values, network.signed_attention()).detach().requires_grad_(True)
    own = network.own(history[None, :, : design.targets])
    by_pooled = torch.autograd.grad(network.head(pooled, own).sum(), pooled)[0][0].view(
        len(history), -1, h, d
    )
    attention = network.signed_attention()[0].detach()
    total = history.new_zeros(design.targets, design.sources)
    for one, token in zip(by_pooled, by_value, strict=True):
        per_head = torch.einsum("nhd,mlhd->hnml", one, token)
        total += torch.einsum("hnm,hnml->nml", attention, per_head).abs().sum(-1)
    mean: np.ndarray = (total / len(history)).double().cpu().numpy()
    return mean


def mean_readout(name: str, members: Sequence[Knockouts]) -> np.ndarray:
    """Return a read-out of ``READ_OUTS``, averaged over all held-out time of all members.

    Returns:
        float64 (targets, sources), per unit of the target's unexplained variance for networks without a
        variance head as for those with one.
    """
    index = READ_OUTS.index(name)
    weights = sum(member.count.sum(0) for member in members)
    sums = sum((member.blocks[:, index] * member.count[:, :, None]).sum(0) for member in members)
    return np.asarray(sums / np.maximum(weights, 1)[:, None])


def clark_west(members: Sequence[Knockouts]) -> np.ndarray:
    """Return Clark and West's statistic per pair: mean over standard error of the blocks' means.

    Blocks are long beside the memory of the series, so that their means are nearly independent; no
    autocorrelation has to be estimated. Folds share most of their training data: compare with phantoms,
    not with the normal distribution.
    """
    index = READ_OUTS.index("encompassing")
    blocks = np.concatenate([member.blocks[:, index] for member in members])
    counts = np.concatenate([member.count for member in members])[:, :, None]
    mean = (blocks * counts).sum(0) / np.maximum(counts.sum(0), 1)
    variance = ((blocks - mean) ** 2 * counts).sum(0) / np.maximum(counts.sum(0), 1)
    floor = 1e-12 * (1 + np.abs(mean))
    return np.asarray(mean / np.sqrt(np.maximum(variance / len(blocks), floor**2)))
