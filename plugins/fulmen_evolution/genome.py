"""The network that a list of genes stands for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fulmen_evolution.genes import Cost, Gene, GeneError, Shape


class Genome(nn.Module):
    """Layers one after the other, the mean (and maximum) of each channel, a linear layer.

    Maps float images of shape (n, in_channels, *image_size) to scores of shape (n, num_classes). It is an
    ordinary network: what search found is trained, tested and exported without the searcher.

    Args:
        layers: The genes, in order.
        in_channels: 1 for gray images, 3 for colour.
        num_classes: Scores per image.
        image_size: Height and width that the layers are checked against; a size at which all of them still
            find pixels works as well.
        maximum: Whether each channel's maximum stands beside its mean: whether something is anywhere in the
            image shows in it.

    Raises:
        GeneError: a layer leaves nothing of the image; says which.
    """

    def __init__(
        self,
        layers: list[Gene],
        in_channels: int = 3,
        num_classes: int = 2,
        image_size: tuple[int, int] = (100, 100),
        maximum: bool = True,
    ) -> None:
        super().__init__()
        shape: Shape = (in_channels, *image_size)
        shapes = shapes_of(layers, shape)
        self.layers = nn.Sequential(
            *(gene.build(before) for gene, before in zip(layers, [shape, *shapes], strict=False))
        )
        self.maximum = maximum
        channels = [shape, *shapes][-1][0]
        self.head = nn.Linear(channels * (2 if maximum else 1), num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores, shape (n, num_classes)."""
        found = self.layers(images)
        summary = found.mean((2, 3))
        if self.maximum:
            summary = torch.cat([summary, found.amax((2, 3))], dim=1)
        scores: Tensor = self.head(summary)
        return scores


def shapes_of(layers: Sequence[Gene], shape: Shape) -> list[Shape]:
    """Return the shape after each layer, from arithmetic alone.

    Raises:
        GeneError: a layer leaves nothing of the image; says which.
    """
    shapes = []
    for number, gene in enumerate(layers, start=1):
        after = gene.shape_after(shape)
        if min(after) < 1:
            raise GeneError(
                f"layer {number}, {gene!r}, makes {after} of {shape} (channels, height, width); "
                "expected at least 1 each: give it a smaller window or stride, or larger images"
            )
        shapes.append(after)
        shape = after
    return shapes


def cost_of(layers: Sequence[Gene], shape: Shape) -> Cost:
    """Return what the layers cost together, without the head."""
    total = Cost(0, 0)
    for gene, before in zip(layers, [shape, *shapes_of(layers, shape)], strict=False):
        total += gene.cost(before)
    return total


def runs_on_meta(layers: Sequence[Gene], shape: Shape) -> str | None:
    """Pass a batch through the layers without memory or arithmetic; say what went wrong, or None."""
    try:
        with torch.device("meta"):
            network = Genome(list(layers), shape[0], 2, shape[1:]).eval()
            found = network(torch.empty(2, *shape))
    except Exception as error:  # a stranger's gene raises whatever it likes
        return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    return None if found.shape == (2, 2) else f"its scores have shape {tuple(found.shape)}"


def genes_from(plain: Sequence[Mapping[str, Any]]) -> list[Gene]:
    """Return the genes that `Gene.plain` wrote.

    Raises:
        GeneError: a class is missing, is no gene, or refuses its options.
    """
    genes = []
    for number, entry in enumerate(plain, start=1):
        module, _, name = str(entry.get("class_path")).rpartition(".")
        try:
            cls = getattr(importlib.import_module(module), name)
            gene = cls(**entry.get("init_args", {}))
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise GeneError(f"layer {number}: {entry.get('class_path')}: {error}") from error
        if not isinstance(gene, Gene):
            raise GeneError(f"layer {number}: {entry.get('class_path')} is no gene")
        genes.append(gene)
    return genes
