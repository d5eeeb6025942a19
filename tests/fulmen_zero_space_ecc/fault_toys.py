"""A trained toy in memory: what the tests of the campaign share."""

from __future__ import annotations

from functools import cache

import torch
from wot_toys import ToyClassifier, digits, fit

from fulmen_zero_space_ecc.campaign.memory_image import MemoryImage, memory_image
from fulmen_zero_space_ecc.training.wot import WeightDistributionTraining
from fulmen_zero_space_ecc.weights.placement import placement
from fulmen_zero_space_ecc.weights.saved_state import saved_state


class Classifier(ToyClassifier):
    """The toy, mapping images to scores."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images)


@cache
def trained(layout: str, scales: str = "layer") -> tuple[Classifier, dict]:
    """Return a toy that `wot` has trained, and its checkpoint."""
    torch.manual_seed(1)
    wot = WeightDistributionTraining(layout=layout, start_epoch=3, scales=scales)
    model = fit([wot], Classifier(lr=0.05), max_epochs=6).eval()
    return model, {"callbacks": {wot.state_key: wot.state_dict()}}


def image(number_format: str = "int8", layout: str = "interleaved", scales: str = "layer") -> MemoryImage:
    """Return the toy as it lies in memory."""
    model, checkpoint = trained(layout, scales)
    frozen = saved_state(checkpoint)["frozen"]
    return memory_image(model, placement(model, layout), number_format, frozen)


def batches(count: int = 2, size: int = 64) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return real digits that the toy was not trained on."""
    return [tuple(batch) for batch in digits(384, 384 + count * size, size)]
