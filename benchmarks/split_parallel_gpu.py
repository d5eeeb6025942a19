"""What a training step takes on a GPU, and what keeping the hottest rows in its memory saves.

    python benchmarks/split_parallel_gpu.py            about a minute on a machine with a GPU, alone on it
    python benchmarks/split_parallel_gpu.py --cpu      the CPU beside it, one thread: two minutes more

GraphSAGE with 3 layers of 256 on `dc_sbm` with 200,000 vertices, 128 features, batches of 1024, fan-outs
15/10/5 and 15/15/15, in one process under `split_parallel`: float32 and bf16, with none, a tenth and all of
the rows kept. Steps of three epochs, the first left out; a step's time goes from one's end to the next one's,
with the GPU waited for. Sampling and loading happen in a thread
meanwhile. Writes benchmarks/results/split_parallel_gpu.json.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything

from fulmen import write_artifact
from fulmen_split_parallel.graph.degree_corrected import DegreeCorrectedSBM
from fulmen_split_parallel.graph_data import GraphData
from fulmen_split_parallel.models import SAGE
from fulmen_split_parallel.strategy import SplitParallelStrategy

RESULTS = Path(__file__).parent / "results" / "split_parallel_gpu.json"
VERTICES, FEATURES, CLASSES, EPOCHS = 200_000, 128, 47, 3
FANOUTS = ([15, 10, 5], [15, 15, 15])
STAGES = ("sample", "load")


class Clock(Callback):
    """Seconds of each step, and of the stages that the strategy counts."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.stages: dict[str, list[float]] = {stage: [] for stage in STAGES}
        self.hits: list[float] = []
        self._last: float | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do not count what lies between epochs."""
        self._last = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the clock."""
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self._last is not None and trainer.current_epoch:
            counts = getattr(trainer.strategy, "counts", {})
            self.steps.append(now - self._last)
            self.stages["sample"].append(counts["sample_seconds"])
            self.stages["load"].append(counts["load_seconds"])
            self.hits.append(counts["cache_hits"] / counts["input_rows"])
        self._last = now


def measure(accelerator: str, precision: str, fanouts: list[int], rows: int) -> dict[str, float]:
    """Train, and return medians in milliseconds and the share of rows that were kept."""
    seed_everything(1, verbose=False)
    if torch.distributed.is_initialized():  # Lightning leaves it, and it may be another device's
        torch.distributed.destroy_process_group()
    torch.set_num_threads(1)
    clock = Clock()
    trainer = Trainer(
        accelerator=accelerator,
        devices=1,
        strategy=SplitParallelStrategy(partitioner="hash", presample_epochs=1, cache_rows=rows),
        precision=precision,  # type: ignore[arg-type]
        max_epochs=EPOCHS,
        limit_val_batches=0,
        logger=False,
        callbacks=[clock],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    graph = DegreeCorrectedSBM(num_vertices=VERTICES, num_features=FEATURES, num_classes=CLASSES)
    trainer.fit(SAGE(FEATURES, CLASSES, 256, 3), GraphData(graph, fanouts, 1024))
    stages = {stage: 1000 * statistics.median(clock.stages[stage]) for stage in STAGES}
    step = 1000 * statistics.median(clock.steps)
    return {"step": step, **stages, "hits": statistics.mean(clock.hits), "steps": len(clock.steps)}


def main() -> None:
    """Measure each setting, print it, and keep all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cpu", action="store_true")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    settings = [
        ("gpu", precision, rows) for precision in ("32-true", "bf16-mixed") for rows in (0, 20_000, VERTICES)
    ]
    if parser.parse_args().cpu:
        settings.append(("cpu", "32-true", 0))
    found: dict[str, Any] = {"gpu": torch.cuda.get_device_name(0), "torch": torch.__version__, "rows": []}
    for fanouts in FANOUTS:
        for accelerator, precision, rows in settings:
            row: dict[str, Any] = {"fanouts": fanouts, "on": accelerator, "precision": precision}
            row |= {"cache_rows": rows, **measure(accelerator, precision, fanouts, rows)}
            found["rows"].append(row)
            print(
                f"{fanouts} {accelerator} {precision:<10} {rows:>7,} rows kept, {row['hits']:.2f} hit: step "
                f"{row['step']:.1f} ms; meanwhile sample {row['sample']:.1f}, load {row['load']:.1f}",
                flush=True,
            )
            text = json.dumps(found, indent=1)
            write_artifact(RESULTS, lambda file, text=text: file.write(text.encode()))


if __name__ == "__main__":
    main()
