"""Trains with `wot` in two processes and tells what each of them ends with."""

from __future__ import annotations

import hashlib

import torch
from wot_toys import LAYOUTS, MODES, ToyClassifier, digits, outside, trainer

from fulmen_zero_space_ecc.training.wot import WeightDistributionTraining


def train(mode: str, layout: str, **options: object) -> dict[str, object]:
    torch.manual_seed(0)
    wot, model = WeightDistributionTraining(mode, layout, start_epoch=1, **options), ToyClassifier()
    running = trainer([wot], max_epochs=3, strategy="ddp", devices=2, accumulate_grad_batches=2)
    # No validation: it would bring the processes' running statistics into line before they are folded.
    running.fit(model, digits(0, 256))
    tensors = [tensor.numpy().tobytes() for tensor in model.state_dict().values()]
    frozen = wot.state_dict()["frozen"]
    return {
        "rank": running.global_rank,
        "hash": hashlib.sha256(b"".join(tensors)).hexdigest(),
        "frozen": frozen,
        "outside": outside(model, wot),
        "folded": len(frozen["folded"]),
    }


def train_each() -> dict[str, dict[str, object]]:
    """Train in every mode and layout, and once with a scale a channel."""
    results = {f"{mode} {layout}": train(mode, layout) for mode in MODES for layout in LAYOUTS}
    return {
        **results,
        "channels": train("throttle", "paper", scales="channel", remove_outward_velocity=True),
    }
