"""What each source adds to each held-out forecast: all pairs knocked out in one pass over the data.

Taking source j away from target i changes its forecast from ``y`` to ``y_-j``. With the observed value
``x`` and the weight ``w = exp(-log s2)`` (1 without a variance head), per window and pair:

    contribution   w (y - y_-j)^2
    loss           w ((x - y_-j)^2 - (x - y)^2)          twice a log-likelihood ratio
    encompassing   2 w (x - y_-j) (y - y_-j)             Clark and West, J. Econometrics 138 (2007), eq. 2.1

Only their means over short stretches of time (blocks) are kept, never windows x targets x sources.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fulmen_attention_granger.network import KnockoutAttention
from fulmen_attention_granger.refit import RefitSums

READ_OUTS = ("contribution", "loss", "encompassing")


@dataclass(frozen=True)
class Knockouts:
    """Means over blocks of held-out time.

    Attributes:
        blocks: float64 (blocks, read-outs, targets, sources), in the order of ``READ_OUTS``.
        count: float64 (blocks, targets): known values in each.
        slope: float64 (targets, sources, lags): mean of ``(y - y_-j) x_j(t - lag)``, the signed effect of
            a source, in z-scores of the target per z-score of the source.
        squared_error: float64 (targets,): mean squared error of the forecast, in z-scores.
        log_variance: float64 (targets,): mean of the forecast ``log s2``; 0 without a variance head.
    """

    blocks: np.ndarray
    count: np.ndarray
    slope: np.ndarray
    squared_error: np.ndarray
    log_variance: np.ndarray


@torch.no_grad()
def mean_values(network: KnockoutAttention, history: Tensor) -> Tensor:
    """Return a source's mean value, (1, M, H, d), over training histories (n, M, C).

    A source that is away is replaced by its mean, not by zero: else a variable whose values have a mean
    would seem to matter.
    """
    return network.values(history[None]).mean(1)


def block_starts(trial: np.ndarray, block: int) -> list[int]:
    """Return where blocks begin that straddle no two trials.

    Args:
        trial: int64, (n,): of each window.
        block: Windows a block; the last one of a trial may be longer by less than a block, the only one of
            a short trial is shorter.
    """
    borders = [0, *(np.flatnonzero(np.diff(trial)) + 1), len(trial)]
    return [
        int(first) + start
        for first, last in itertools.pairwise(borders)
        for start in range(0, max(1, (last - first) // block) * block, block)
    ]


@torch.no_grad()
def knock_out(
    network: KnockoutAttention,
    mean: Tensor,
    history: Tensor,
    future: Tensor,
    known: Tensor,
    starts: Sequence[int],
    lags: int,
    refit: RefitSums | None = None,
) -> Knockouts:
    """Knock every source out of every forecast.

    Args:
        network: One member (K = 1).
        mean: From ``mean_values``.
        history: (n, M, C), in order of time.
        future: (n, N).
        known: (n, N).
        starts: Where the blocks begin, from 0; see ``block_starts``.
        lags: How many of the channels are lags.
        refit: Gathers what it needs, if given.
    """
    stops = [*starts[1:], len(future)]
    n, m = network.design.targets, network.design.sources
    blocks = np.zeros((len(starts), len(READ_OUTS), n, m))
    count = np.zeros((len(starts), n))
    slope = history.new_zeros(n, m, lags, dtype=torch.float64)  # summed where it is made: nothing waits
    squared, log_variance = np.zeros(n), np.zeros(n)
    attention = network.signed_attention()[0]
    for number, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        z, x, there = history[start:stop][None], future[start:stop], known[start:stop]
        forecast = network(z)
        full = forecast.mean[0]
        weight = there if forecast.log_variance is None else there * torch.exp(-forecast.log_variance[0])
        error = x - full
        sums = history.new_empty(len(READ_OUTS), m, n)
        added = history.new_empty(m, stop - start, n) if refit is not None else None
        for j, difference in enumerate(
            _differences(network, attention, forecast.values - mean, forecast.values, z, full)
        ):
            weighted = weight * difference
            sums[0, j] = (weighted * difference).sum(0)
            sums[1, j] = (weighted * (2 * error + difference)).sum(0)
            sums[2, j] = (2 * weighted * (error + difference)).sum(0)
            if added is not None:
                added[j] = difference
            slope[:, j] += (there * difference).T @ z[0, :, j, :lags]
        if refit is not None and added is not None:
            refit.add(added, full, z[0], x, weight, there)
        count[number] = there.sum(0).cpu().numpy()
        blocks[number] = sums.transpose(1, 2).cpu().numpy() / np.maximum(count[number], 1)[None, :, None]
        squared += (there * error.square()).sum(0).cpu().numpy()
        if forecast.log_variance is not None:
            log_variance += (there * forecast.log_variance[0]).sum(0).cpu().numpy()
    total = np.maximum(count.sum(0), 1)
    slopes = slope.cpu().numpy() / total[:, None, None]
    return Knockouts(blocks, count, slopes, squared / total, log_variance / total)


@torch.no_grad()
def lag_strengths(
    network: KnockoutAttention, history: Tensor, future: Tensor, known: Tensor, lags: int
) -> np.ndarray:
    """Return the mean contribution of each single lag of each source, float64 (targets, sources, lags).

    One lag at a time is replaced by the mean (0), the others stay. Arguments as in `knock_out`.
    """
    z = history[None]
    forecast = network(z)
    weight = known if forecast.log_variance is None else known * torch.exp(-forecast.log_variance[0])
    attention, full = network.signed_attention()[0], forecast.mean[0]
    total = known.sum(0).clamp_min(1)
    shape = (network.design.targets, network.design.sources, lags)
    strength = history.new_zeros(shape, dtype=torch.float64)
    for lag in range(lags):
        without = z.clone()
        without[..., lag] = 0
        change = forecast.values - network.values(without)
        for j, difference in enumerate(_differences(network, attention, change, forecast.values, z, full)):
            strength[:, j, lag] = (weight * difference.square()).sum(0) / total
    found: np.ndarray = strength.cpu().numpy()
    return found


def _differences(
    network: KnockoutAttention, attention: Tensor, taken: Tensor, values: Tensor, z: Tensor, full: Tensor
) -> Iterator[Tensor]:
    """Yield, source by source, ``y - y_-j``, (B, N), where ``taken`` is what is taken from its values.

    The first layer of the head is linear in the pooled values, so that it is applied to what each
    source loses alone, head by head: a pair costs ``hidden`` operations and not a pass of the network.
    """
    design = network.design
    h, d = design.heads, design.width
    linear = torch.einsum("bmhd,hd->mbh", taken[0], network.head_linear[0].view(h, d))
    if not design.nonlinear:
        for j in range(design.sources):
            yield linear[j] @ attention[:, :, j]
        return
    own = network.own(z[:, :, : design.targets])
    assert own[1] is not None
    pooled = network.pool(values, attention[None])[0]
    inner = pooled @ network.head_pooled[0] + own[1][0]  # (B, N, hidden)
    nonlinear = (functional.gelu(inner, approximate="tanh") @ network.head_out[0])[..., 0]
    per_head = torch.einsum("bmhd,hde->mbhe", taken[0], network.head_pooled[0].view(h, d, -1))
    for j in range(design.sources):
        without = inner - attention[:, :, j].T @ per_head[j]  # (N, H) @ (B, H, hidden)
        hidden = functional.gelu(without, approximate="tanh") @ network.head_out[0]
        yield linear[j] @ attention[:, :, j] + nonlinear - hidden[..., 0]
