"""Trainings of small graph models by name, the same in one process and in several."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch.nn import functional

from fulmen_split_parallel.graph_data import GraphData
from fulmen_split_parallel.models import GAT, SAGE
from fulmen_split_parallel.strategy import SplitParallelStrategy

FANOUTS = [4, 3]


class PlainLoss(SAGE):
    """As a user writes it who has never heard of ranks: the mean over what the batch has."""

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        scores = self(batch)
        share = batch.mean(functional.cross_entropy(scores, batch.y, reduction="none"))
        self.log("train_loss", share.detach(), sync_dist=True)
        batch.weighed = False  # only the log has asked for it
        return functional.cross_entropy(scores, batch.y)


class Record(Callback):
    """Losses of each step, as a logger would show them, and what was counted."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.counts: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: Trainer, model: LightningModule, *_: object) -> None:
        self.losses.append(float(trainer.callback_metrics["train_loss"]))
        self.counts.append(dict(getattr(trainer.strategy, "counts", {})))


def sage(kind: type[SAGE] = SAGE, **options: Any) -> SAGE:
    torch.manual_seed(1)
    shape = {"in_channels": 12, "num_classes": 5, "hidden_channels": 8, "layers": 2, "lr": 0.02}
    return kind(**{**shape, **options})


def gat(**options: Any) -> GAT:
    torch.manual_seed(1)
    shape = {"in_channels": 12, "num_classes": 5, "hidden_channels": 4, "heads": 2, "layers": 2, "lr": 0.02}
    return GAT(**{**shape, **options})


def split(**options: Any) -> SplitParallelStrategy:
    return SplitParallelStrategy(presample_epochs=1, **options)


def train(
    folder: Path,
    ranks: int,
    model: LightningModule,
    strategy: Callable[[], Any] = split,
    batch_size: int = 40,
    resumes: bool = False,
    predicts: bool = False,
    keeps: bool = False,
    more_callbacks: Sequence[Callback] = (),
    **options: Any,
) -> dict[str, Any]:
    """Train, validate and predict; return what this rank saw of it."""
    record = Record()
    callbacks: list[Callback] = [record, *more_callbacks]
    checkpoints = folder / f"checkpoints-{ranks}"
    if keeps:
        callbacks.append(ModelCheckpoint(checkpoints, "{step}", every_n_train_steps=1, save_top_k=-1))
    trainer = Trainer(
        strategy=strategy(),
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=keeps,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
        **{"accelerator": "cpu", "devices": ranks, "max_epochs": 2, "precision": "64-true", **options},
    )
    data = GraphData(
        str(folder / "graph"), FANOUTS, batch_size, seed=5, predict="valid", cache=str(folder / "cache")
    )
    trainer.fit(model, data, ckpt_path=str(checkpoints / "step=2.ckpt") if resumes else None)
    seen = {
        "losses": record.losses,
        "counts": record.counts,
        "metrics": {name: float(value) for name, value in trainer.callback_metrics.items()},
        "weights": {name: value.detach().clone() for name, value in model.state_dict().items()},
    }
    if predicts:
        seen["predictions"] = trainer.predict(model, data)
    return seen


def layerwise(folder: Path, ranks: int, strategy: Callable[[], Any]) -> dict[str, Any]:
    """Train for one step; validate and predict from all edges."""
    model = sage(inference="layerwise", residual=True)
    return train(folder, ranks, model, strategy, max_epochs=1, limit_train_batches=1, predicts=True)


def hybrid() -> SplitParallelStrategy:
    return split(group_size=2)


TRAININGS: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "sage": lambda folder, ranks: train(folder, ranks, sage(), predicts=True, keeps=True),
    "resumed": lambda folder, ranks: train(folder, ranks, sage(), resumes=True),
    "gat": lambda folder, ranks: train(
        folder, ranks, gat(), lambda: split(partitioner="hash", transport="gloo")
    ),
    "plain loss": lambda folder, ranks: train(folder, ranks, sage(PlainLoss), batch_size=37),
    "accumulated": lambda folder, ranks: train(folder, ranks, sage(), accumulate_grad_batches=2),
    "accumulated, normalised": lambda folder, ranks: train(
        folder, ranks, sage(norm="batch"), accumulate_grad_batches=2
    ),
    "layerwise": lambda folder, ranks: layerwise(folder, ranks, split),
    "bf16": lambda folder, ranks: train(folder, ranks, sage(), precision="bf16-mixed", max_steps=2),
}
MORE = {
    "hybrid": lambda folder, ranks: train(folder, ranks, sage(), hybrid),
    "ddp": lambda folder, ranks: train(folder, ranks, sage(), lambda: "ddp"),
    "layerwise ddp": lambda folder, ranks: layerwise(folder, ranks, lambda: "ddp"),
}
# Two ranks cost a start of two processes, and show little that four do not.
BY_RANKS = {
    2: ["sage", "resumed", "plain loss", "ddp", "layerwise ddp"],
    4: ["sage", "gat", "plain loss", "accumulated", "accumulated, normalised", "layerwise", "bf16", "hybrid"],
}


def run_all(folder: str, port: int) -> dict[str, Any]:
    """Run in one of four processes all that is run in four, then in the first two all that is run in two.

    Args:
        folder: Where the graph is.
        port: Where the two meet.

    Returns:
        What this rank saw, by the number of ranks and by name.
    """
    warnings.simplefilter("ignore")
    found = {"4": _run(Path(folder), 4), "2": {}}
    torch.distributed.destroy_process_group()
    os.environ["MASTER_PORT"] = str(port)
    if int(os.environ["LOCAL_RANK"]) < 2:
        found["2"] = _run(Path(folder), 2)
    return found


def _run(folder: Path, ranks: int) -> dict[str, Any]:
    return {name: (TRAININGS | MORE)[name](folder, ranks) for name in BY_RANKS[ranks]}
