"""Trains on one of two hosts, a rank each: ``host_run.py FOLDER GRAPH OUT PARTITIONER [CUT]``.

Leaves the losses in OUT. With CUT, wishes in the second step for the line to be cut, and goes on.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from ranks import FANOUTS, Record, sage, split

from fulmen_split_parallel.graph_data import GraphData


class Cut(Callback):
    """Lets the line be cut in mid-run."""

    def __init__(self, path: str) -> None:
        self.path = path

    def on_train_batch_start(
        self, trainer: Trainer, model: LightningModule, batch: object, index: int
    ) -> None:
        if trainer.global_step == 2:
            Path(self.path).touch()
            time.sleep(2)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    graph, out, partitioner = sys.argv[1:4]
    record = Record()
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        num_nodes=2,
        strategy=split(partitioner=partitioner),
        callbacks=[record, *map(Cut, sys.argv[4:])],
        precision="64-true",
        max_epochs=2,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(sage(), GraphData(graph, FANOUTS, 40, seed=5))
    torch.save({"losses": record.losses, "counts": record.counts}, f"{out}-{trainer.global_rank}.pt")
