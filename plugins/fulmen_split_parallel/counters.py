"""What each step of a graph network costs, logged and summed up."""

from __future__ import annotations

import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, distributed

from fulmen_split_parallel.networks import GraphBatch
from fulmen_split_parallel.step_costs import COUNTED, STAGES, StepCosts


class Counters(Callback):
    """Logs what was sampled, loaded and moved in each step, and prints a table of it after ``fit``.

    The strategy ``split_parallel`` brings it along; with ``ddp`` or one process, name it among the callbacks
    (``split_parallel.counters``) to see the same numbers.

    Logged, over all ranks: ``fulmen/split_parallel/edges``, ``.../input_rows``, ``.../shuffled_rows`` (rows
    of any layer that came from other ranks); with ``cache_rows``, ``.../cache_hits``, rows that came from a
    rank's own cache; ``.../imbalance``, edges of the busiest rank over the mean;
    ``.../seconds_sample``, ``seconds_load``, ``seconds_exchange`` and ``seconds_compute`` of the mean rank.
    Sampling and loading happen while the step before computes.

    It costs one small gather between the ranks in each step.
    """

    def __init__(self) -> None:
        self.costs = StepCosts()
        self._started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self.costs = StepCosts()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Look at the clock."""
        self._started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Gather all ranks' numbers and log them."""
        if not isinstance(batch, GraphBatch):
            return
        seconds = time.perf_counter() - self._started
        # Precision plugins copy a batch, and its counts would stand still; the strategy's go on.
        counts = getattr(trainer.strategy, "counts", None) or batch.counts
        own = [counts.get(name, 0.0) for name in (*COUNTED, *(f"{stage}_seconds" for stage in STAGES[:-1]))]
        own.append(seconds - counts.get("exchange_seconds", 0.0))
        logged = self.costs.add(_of_all_ranks(own, pl_module.device).numpy())
        if not getattr(trainer.strategy, "cache_rows", 0):
            del logged["cache_hits"]
        pl_module.log_dict(
            {f"fulmen/split_parallel/{name}": value for name, value in logged.items()}, batch_size=1
        )

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table."""
        if self.costs.steps:
            rank_zero_info(self.costs.table(getattr(trainer.strategy, "transport_in_use", "none")))


def _of_all_ranks(own: list[float], device: torch.device) -> Tensor:
    if not distributed.is_initialized():
        return torch.tensor([own], dtype=torch.float64)
    # gloo takes rows of the host's memory, whatever the model is on.
    place = device if distributed.get_backend() == "nccl" else "cpu"
    row = torch.tensor(own, dtype=torch.float64, device=place)
    rows = [torch.empty_like(row) for _ in range(distributed.get_world_size())]
    distributed.all_gather(rows, row)
    return torch.stack(rows).cpu()
