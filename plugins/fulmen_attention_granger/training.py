"""Training of knock-out attention: likelihood, group lasso over pairs, random knock-outs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fulmen_attention_granger.network import Forecast, KnockoutAttention

KEPT = 0.9  # quantile of phantoms
RELAXED_DECAY = 0.01


@dataclass(frozen=True)
class Schedule:
    """How long and how hard to train.

    Attributes:
        steps: Optimiser steps. There is no early stopping: it spoils the graph (Lorenz-96: AUROC .98
            falls to .93) although the forecast gets better.
        batch: Windows a step.
        rate: Peak learning rate, reached after ``warm_up`` of the steps, then a cosine down to 0.
        decay: AdamW's weight decay.
        knockouts: Sources are knocked out at a rate drawn from U(0, 2 knockouts) for each window.
        penalty: Weight of the group lasso.
        warm_up: A share of the steps.
        relaxed: The last share of the steps goes without the penalty and with ``RELAXED_DECAY``, among the
            pairs that are at least as large as the upper tenth of the phantoms (relaxed lasso:
            Meinshausen, Computational Statistics & Data Analysis 52:374, 2007). A penalty shrinks the
            source itself and leaves something to its companions, who then seem to add to the forecast.
    """

    steps: int = 600
    batch: int = 64
    rate: float = 1e-2
    decay: float = 0.3
    knockouts: float = 0.1
    penalty: float = 0.02
    warm_up: float = 0.15
    relaxed: float = 0.0


def group_lasso(values: Tensor, attention: Tensor) -> Tensor:
    """Return, per member, the sum over pairs of the size of what a source adds, averaged over targets.

    A pair's size is ``(sum_h (A_hij rms(v_jh))^2)^.5``: it falls to 0 as a whole, for all heads.

    Args:
        values: (K, B, M, H, d).
        attention: (K, H, N, M).
    """
    return pair_sizes(values, attention).sum(2).mean(1)


def pair_sizes(values: Tensor, attention: Tensor) -> Tensor:
    """Return the size of what each source adds, (K, N, M); arguments as in `group_lasso`."""
    rms = values.square().mean((1, 4)).clamp_min(1e-8).sqrt()  # (K, M, H)
    size = (attention * rms.transpose(1, 2)[:, :, None]).square().sum(1)
    return (size + 1e-8).sqrt()  # 1e-8: the slope of a root at 0 is not a number


@torch.no_grad()
def take_small_pairs_apart(network: KnockoutAttention, values: Tensor) -> None:
    """Take apart, in each member, the pairs smaller than nine in ten of the phantoms."""
    sizes = pair_sizes(values, network.signed_attention())
    phantoms = sizes[:, :, network.design.targets :].flatten(1)
    network.take_apart(sizes < torch.quantile(phantoms, KEPT, dim=1)[:, None, None])


def negative_log_likelihood(forecast: Forecast, future: Tensor, known: Tensor) -> Tensor:
    """Return, per member, ``mean(e^2 / s2 + log s2)`` over known values (``mean e^2`` without variance)."""
    error = (forecast.mean - future).square()
    if forecast.log_variance is not None:
        error = error * torch.exp(-forecast.log_variance) + forecast.log_variance
    return (error * known).sum((1, 2)) / known.sum((1, 2)).clamp_min(1)


def learning_rate(step: int, schedule: Schedule) -> float:
    """Return the rate of a step: a cosine up, then a cosine down (Smith's one cycle)."""
    up = schedule.warm_up * schedule.steps
    if step < up:
        return schedule.rate * (0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * step / up)))
    done = (step - up) / max(1.0, schedule.steps - up)
    return schedule.rate * 0.5 * (1 + math.cos(math.pi * done))


def train(
    network: KnockoutAttention,
    batch: Callable[[int], tuple[Tensor, Tensor, Tensor, Tensor]],
    schedule: Schedule,
) -> list[float]:
    """Train in place and return each member's mean loss over the last tenth of the steps.

    Args:
        network: K members.
        batch: Of a step: history (K, B, M, C), future and known (K, B, N), keep (K, B, M).
        schedule: How long.
    """
    optimiser = torch.optim.AdamW(
        network.parameters(), schedule.rate, weight_decay=schedule.decay, betas=(0.9, 0.99), fused=True
    )
    last, counted = torch.zeros(network.attention.shape[0]), 0
    penalty, relaxed_from = schedule.penalty, round((1 - schedule.relaxed) * schedule.steps)
    for step in range(schedule.steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, schedule)
        history, future, known, keep = batch(step)
        forecast = network(history, keep)
        if step == relaxed_from:
            take_small_pairs_apart(network, forecast.values)
            penalty = 0.0
            for group in optimiser.param_groups:
                group["weight_decay"] = min(schedule.decay, RELAXED_DECAY)
        loss = negative_log_likelihood(forecast, future, known)
        loss = loss + penalty * group_lasso(forecast.values, network.signed_attention())
        optimiser.zero_grad()
        loss.sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step >= 0.9 * schedule.steps:
            last, counted = last + loss.detach(), counted + 1
    return [float(total) for total in last / max(1, counted)]
