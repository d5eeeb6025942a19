"""What ``predict`` found, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from numpy.typing import NDArray
from torch import Tensor, distributed

from fulmen import write_artifact
from fulmen.errors import ConfigError
from fulmen_split_parallel.networks import GraphBatch


class Predictions(Callback):
    """Writes what ``predict`` gives for each vertex, from all ranks, in the order of the vertices.

    The file holds ``vertices``, int64 (n,), ascending, and ``predictions``, (n, ...), what the model's
    ``predict_step`` returned for them: class probabilities, for this plugin's models. Rank 0 holds all of
    it once, when it writes.

    Args:
        path: The file, ``.npz``; whole or not at all.

    Raises:
        ConfigError: the path does not end in ``.npz`` (at once).
    """

    def __init__(self, path: str = "predictions.npz") -> None:
        if not path.endswith(".npz"):
            raise ConfigError(f"predictions: path is {path}; expected a file.npz: change its name.")
        self.path = Path(path)
        self._seen: list[tuple[NDArray[np.int64], NDArray[Any]]] = []

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self._seen = []

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a batch."""
        if isinstance(batch, GraphBatch) and isinstance(outputs, Tensor):
            self._seen.append((batch.seeds.cpu().numpy(), outputs.cpu().numpy()))

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring all ranks' together and write them."""
        everyones = [self._seen]
        if distributed.is_initialized():
            first = trainer.is_global_zero
            everyones = [[] for _ in range(trainer.world_size)]
            distributed.gather_object(self._seen, everyones if first else None)
            if not first:
                return
        parts = [part for seen in everyones for part in seen]
        if not parts:
            return
        vertices = np.concatenate([vertices for vertices, _ in parts])
        predictions = np.concatenate([rows for _, rows in parts])
        order = vertices.argsort(kind="stable")
        write_artifact(
            self.path,
            lambda file: np.savez(file, vertices=vertices[order], predictions=predictions[order]),
        )
        rank_zero_info(f"{self.path}: predictions for {len(vertices):,} vertices")
