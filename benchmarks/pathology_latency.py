"""How long networks take, both folded and exported: as a ratio to the reference, timed in turns."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn

from fulmen.costs.deployed import deployed
from fulmen.costs.interleaved import interleaved_ratio

LEAST_ROUNDS = {
    1: 15,
    128: 5,
}  # by batch size: ResNet-18 takes seconds for 128 images, and a round four of them


def ratios(network: nn.Module, reference: nn.Module, most_seconds: float = 10.0) -> dict[str, float]:
    """Return how much longer a network takes than the reference, for each batch size, on one thread.

    Args:
        network: For images of shape (n, 3, 100, 100).
        reference: Likewise.
        most_seconds: For one batch size, if the ratio is not known to 3 % (95 % confidence) before.

    Returns:
        ``ratio_1``, ``half_width_1`` (of the interval, as a share), ``ms_1`` and ``reference_ms_1`` per image
        in CPU time, and the same with 128.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found: dict[str, float] = {}
    try:
        for batch, least_rounds in LEAST_ROUNDS.items():
            images = torch.randn(batch, 3, 100, 100, generator=torch.Generator().manual_seed(0))
            measured = interleaved_ratio(
                _forward(network, images),
                _forward(reference, images),
                least_rounds=least_rounds,
                most_seconds=most_seconds,
                clock=time.thread_time,
            )
            found |= {
                f"ratio_{batch}": measured.ratio,
                f"half_width_{batch}": measured.half_width,
                f"ms_{batch}": 1e3 * measured.seconds / batch,
                f"reference_ms_{batch}": 1e3 * measured.reference_seconds / batch,
            }
    finally:
        torch.set_num_threads(threads)
    return found


def _forward(network: nn.Module, images: torch.Tensor) -> Callable[[], torch.Tensor]:
    shipped = deployed(network.cpu().float(), images)

    def forward() -> torch.Tensor:
        with torch.inference_mode():
            scores: torch.Tensor = shipped(images)
        return scores

    return forward
