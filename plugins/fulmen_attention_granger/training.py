"""Training of knock-out attention: likelihood, group lasso over pairs, random knock-outs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fulmen_attention_granger.network import Forecast, KnockoutAttention
from fulmen_attention_granger.replay import adamw, replayed, set_rate


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
    """

    steps: int = 600
    batch: int = 64
    rate: float = 1e-2
    decay: float = 0.3
    knockouts: float = 0.1
    penalty: float = 0.02
    warm_up: float = 0.15


def group_lasso(values: Tensor, attention: Tensor) -> Tensor:
    """Return, per member, the sum over pairs of the size of what a source adds, averaged over targets.

    A pair's size is ``(sum_h (A_hij rms(v_jh))^2)^.5``: it falls to 0 as a whole, for all heads.

    Args:
        values: (K, B, M, H, d).
        attention: (K, H, N, M).
    """
    rms = values.square().mean((1, 4)).clamp_min(1e-8).sqrt()  # (K, M, H)
    size = (attention * rms.transpose(1, 2)[:, :, None]).square().sum(1)
    return (size + 1e-8).sqrt().sum(2).mean(1)  # 1e-8: the slope of a root at 0 is not a number


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
        network: K members, on the device where they are to be trained.
        batch: Of a step: history (K, B, M, C), future and known (K, B, N), keep (K, B, M), all there. Nothing
            else is waited for: losses stay on the device until the end.
        schedule: How long.
    """
    device = network.attention.device
    optimiser = adamw(
        network.parameters(),
        schedule.rate,
        device,
        weight_decay=schedule.decay,
        betas=(0.9, 0.99),
        fused=True,
    )

    def descend(history: Tensor, future: Tensor, known: Tensor, keep: Tensor) -> Tensor:
        forecast = network(history, keep)
        loss = negative_log_likelihood(forecast, future, known)
        loss = loss + schedule.penalty * group_lasso(forecast.values, network.signed_attention())
        optimiser.zero_grad()
        loss.sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return loss.detach()

    one_step = replayed(descend, device)
    last, counted = torch.zeros(network.attention.shape[0], device=device), 0
    for step in range(schedule.steps):
        set_rate(optimiser, learning_rate(step, schedule))
        loss = one_step(*batch(step))
        if step >= 0.9 * schedule.steps:
            last, counted = last + loss, counted + 1
    return (last / max(1, counted)).tolist()
