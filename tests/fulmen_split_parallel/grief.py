"""Trains on two ranks until one comes to grief: ``grief.py GRAPH FOLDER RANK kill|stop|raise``."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from pathlib import Path

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import Callback
from ranks import FANOUTS, sage, split

import fulmen
from fulmen_split_parallel.graph_data import GraphData


class Grief(Callback):
    """In the third step something happens to one rank."""

    def __init__(self, folder: str, rank: int, how: str) -> None:
        self.folder, self.rank, self.how = Path(folder), rank, how

    def on_train_batch_start(
        self, trainer: fulmen.Runner, model: LightningModule, batch: object, index: int
    ) -> None:
        if trainer.global_step == 2 and trainer.global_rank == self.rank:
            (self.folder / "grief").write_text(str(os.getpid()))
            if self.how == "raise":
                raise ValueError("the seventh seal")
            os.kill(os.getpid(), {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[self.how])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    graph, folder, rank, how = sys.argv[1:]
    runner = fulmen.Runner(
        accelerator="cpu",
        devices=2,
        strategy=split(),
        callbacks=[Grief(folder, int(rank), how)],
        max_epochs=2,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    runner.fit(sage(), GraphData(graph, FANOUTS, 40, seed=5))
