"""The images and labels that a campaign classifies, read once."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor

from fulmen import UserError


def labelled_batches(
    data: LightningDataModule | None, stage: str, images: int | None, owner: str
) -> list[tuple[Tensor, Tensor]]:
    """Return the batches of a data module's loader, in its order.

    Args:
        data: Its batches are pairs of images and int64 labels of shape (batch,).
        stage: ``test`` or ``val``.
        images: Only the first so many; None: all.
        owner: Who asks, for errors.

    Raises:
        UserError: there are no data, no such loader, or no labels.
    """
    if data is None:
        raise UserError(f"{owner}: no images to classify; set data.")
    name = type(data).__name__
    with isolate_rng():
        data.prepare_data()
        data.setup("test" if stage == "test" else "validate")
        try:
            loader: Any = getattr(data, f"{stage}_dataloader")()
        except MisconfigurationException as error:
            raise UserError(f"{owner}: data {name} has no {stage}_dataloader; set another stage.") from error
        loaders = list(loader) if isinstance(loader, (list, tuple)) else [loader]
        batches, left = [], images
        for batch in (batch for one in loaders for batch in one):
            if left is not None and left <= 0:
                break
            x, y = _pair(
                data.on_after_batch_transfer(data.on_before_batch_transfer(batch, 0), 0), name, owner
            )
            batches.append((x[:left], y[:left]))
            left = None if left is None else left - len(y)
    if not batches:
        raise UserError(f"{owner}: the {stage} loader of data {name} is empty; images are needed.")
    if left is not None and left > 0:
        raise UserError(
            f"{owner}: images is {images}, the {stage} loader of data {name} has {images - left}; lower it."  # type: ignore[operator]
        )
    return batches


def _pair(batch: Any, name: str, owner: str) -> tuple[Tensor, Tensor]:
    if isinstance(batch, (list, tuple)) and len(batch) == 2:
        images, labels = batch
        if (
            isinstance(images, Tensor)
            and isinstance(labels, Tensor)
            and labels.dim() == 1
            and len(labels) == len(images)
            and not labels.is_floating_point()
            and labels.dtype != torch.bool
        ):
            return images, labels.long()
    raise UserError(
        f"{owner}: data {name} gives batches without labels ({_said(batch)}); pairs of images and integer "
        "labels of shape (batch,) are needed."
    )


def _said(batch: Any) -> str:
    if isinstance(batch, Tensor):
        return f"a {batch.dtype} tensor of shape {tuple(batch.shape)}"
    if isinstance(batch, (list, tuple)):
        return f"a {type(batch).__name__} of {', '.join(_said(item) for item in batch[:3])}"
    return f"a {type(batch).__name__}"
