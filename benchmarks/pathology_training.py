"""The one recipe by which every network of the pathology benchmark is trained, and what it scores."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pathology_patches
import torch
from pathology_patches import Split
from torch import Tensor, nn
from torchmetrics.functional.classification import binary_auroc, multiclass_f1_score


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; no choice in it looks at the test patches.

    Attributes:
        epochs: Passes over the training patches; the weights after the last are taken.
        batch_size: Patches a step; what is left over at the end of an epoch is left out of it.
        lr: The greatest learning rate of AdamW, reached after a tenth of the steps, then down along a cosine.
        weight_decay: Of AdamW.
    """

    epochs: int = 60
    batch_size: int = 128
    lr: float = 2e-3
    weight_decay: float = 0.02


def train(network: nn.Module, data: Split, recipe: Recipe, seed: int) -> float:
    """Train a network on the device where it and the data are; return the seconds that took.

    On a GPU with bfloat16 arithmetic in channels-last order, elsewhere in float32.
    """
    start = time.monotonic()
    device = data.images.device
    generator = torch.Generator(device).manual_seed(seed)
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = len(data.labels) // recipe.batch_size
    optimiser = torch.optim.AdamW(network.parameters(), recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.lr, recipe.epochs * steps, pct_start=0.1, cycle_momentum=False
    )
    for _ in range(recipe.epochs):
        order = torch.randperm(len(data.labels), generator=generator, device=device)
        for batch in order[: steps * recipe.batch_size].view(steps, -1):
            images = pathology_patches.changed(data.images[batch], generator)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                scores = network(images.contiguous(memory_format=torch.channels_last))
            loss = nn.functional.cross_entropy(scores.float(), data.labels[batch])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.monotonic() - start


def probabilities(network: nn.Module, data: Split, batch_size: int = 250) -> Tensor:
    """Return the probability of label 1 for each patch, float32 of shape (n,), in float32 throughout."""
    network.eval()
    found = []
    with torch.inference_mode():
        for images in data.images.split(batch_size):
            found.append(network(pathology_patches.normalised(images)).softmax(1)[:, 1])
    return torch.cat(found).float()


def scores(val: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> dict[str, float]:
    """Return how good probabilities are.

    Args:
        val: Probabilities and labels of the validation patches, by which a threshold is chosen.
        test: Of the test patches.

    Returns:
        F1 is the mean over both classes, as ``val_f1`` and ``test_f1`` of `image_classifier`: at .5, and
        under ``*_tuned`` at the threshold that is best on the validation patches.
    """
    thresholds = torch.linspace(0.02, 0.98, 97)
    threshold = max(thresholds.tolist(), key=lambda t: (_f1(*val, t), -abs(t - 0.5)))
    return {
        "val_f1": _f1(*val, 0.5),
        "test_f1": _f1(*test, 0.5),
        "threshold_tuned": threshold,
        "test_f1_tuned": _f1(*test, threshold),
        "test_acc": float(((test[0] > 0.5).long() == test[1]).float().mean()),
        "test_auroc": float(binary_auroc(*test)),
    }


def _f1(found: Tensor, labels: Tensor, threshold: float) -> float:
    return float(multiclass_f1_score((found > threshold).long(), labels, 2, average="macro"))
