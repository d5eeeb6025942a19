"""What a long run leaves behind: memory, open files and threads of a search's process and of a training's.

    python benchmarks/soak.py          # 2,000 evaluations and 5,000 steps, a few minutes

The search is real but for its task: the evolution, the study on disk and two worker processes, which are
replaced as they are in any search. The training is the `Runner`'s, with checkpoints and TensorBoard. Every
fiftieth part is looked at; the first quarter is for warming up (arenas, caches, pools). Ends with 1 if a bar
is missed; writes benchmarks/results/soak.json.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import lightning.pytorch as pl
import psutil
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from torch.utils.data import DataLoader, TensorDataset

from fulmen import Runner, write_artifact
from fulmen.engines.processes import ProcessesEngine
from fulmen.search.budget import Budget
from fulmen.search.loop import SearchLoop
from fulmen.searching import Task
from fulmen.study import Study
from fulmen_evolution import Evolution

RESULTS = Path(__file__).parent / "results" / "soak.json"
EVALUATIONS, STEPS, LOOKS, WARM = 2_000, 5_000, 50, 0.25
GROWTH = 0.05  # of the memory after warming up
SPACE = {"x": {"linear": [-5.0, 5.0]}, "y": {"linear": [-5.0, 5.0]}}


class Looks:
    """What a process holds, as time goes on."""

    def __init__(self, every: int) -> None:
        self.every, self.seen, self.rows = every, 0, list[dict[str, int]]()
        self._process = psutil.Process()

    def __call__(self) -> None:
        """Count one step; look at every so manyth."""
        self.seen += 1
        if self.seen % self.every == 0:
            gc.collect()
            memory = self._process.memory_full_info().uss
            self.rows.append(
                {
                    "step": self.seen,
                    "memory": memory,
                    "files": self._process.num_fds(),
                    "threads": self._process.num_threads(),
                }
            )

    def summary(self) -> dict[str, Any]:
        """Return the growth of each from the end of the warming up to the end."""
        first, last = self.rows[int(WARM * len(self.rows))], self.rows[-1]
        return {
            "steps": self.seen,
            "looks": len(self.rows),
            "memory_mb": round(last["memory"] / 2**20, 1),
            "memory_growth": last["memory"] / first["memory"] - 1,
            "files": [first["files"], last["files"]],
            "threads": [first["threads"], last["threads"]],
        }


def search() -> dict[str, Any]:
    """Search with real workers; look at the process that searches."""
    looks = Looks(EVALUATIONS // LOOKS)

    def watch(step: Any) -> None:
        if step is not None:
            looks()

    engine = ProcessesEngine(workers=2)
    with tempfile.TemporaryDirectory() as folder, Study.open(Path(folder), "soak") as study:
        SearchLoop(
            Evolution(SPACE, {"loss": "min", "cost": "min"}),
            study,
            engine,
            lambda candidate, key: Task(
                key, "fulmen.testing.climber:bowl", (candidate.overlay["x"], candidate.overlay["y"])
            ),
            ["loss", "cost"],
            Budget(EVALUATIONS),
            watch=watch,
        ).run()
        told = study.counts()
    engine.close()
    return {**looks.summary(), "told": told}


def training() -> dict[str, Any]:
    """Train a small model with checkpoints, validation and TensorBoard; look after each step."""
    looks = Looks(STEPS // LOOKS)

    class Watch(pl.Callback):
        def on_train_batch_end(self, *arguments: Any, **named: Any) -> None:
            looks()

    class Model(BoringModel):
        def train_dataloader(self) -> Any:
            return DataLoader(TensorDataset(torch.randn(200, 32)), batch_size=2)

        def val_dataloader(self) -> Any:
            return DataLoader(TensorDataset(torch.randn(20, 32)), batch_size=2)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.loss(self(batch[0]))
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            self.log("val_loss", self.loss(self(batch[0])))

    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(
            max_steps=STEPS,
            accelerator="cpu",
            default_root_dir=folder,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[Watch()],
        )
        runner.fit(Model())
    return looks.summary()


def main() -> int:
    """Run both, print and write."""
    found: dict[str, Any] = {}
    missed = 0
    parts: dict[str, Callable[[], dict[str, Any]]] = {"search": search, "training": training}
    for name, part in parts.items():
        row = found[name] = part()
        flat = row["files"][0] == row["files"][1] and row["threads"][0] == row["threads"][1]
        holds = row["memory_growth"] <= GROWTH and flat
        missed += not holds
        print(
            f"{name}: {row['steps']} steps, {row['memory_mb']} MB at the end, "
            f"memory {row['memory_growth']:+.1%} (bar {GROWTH:.0%}), "
            f"files {row['files']}, threads {row['threads']}: "
            f"{'holds' if holds else 'MISSED'}"
        )
    write_artifact(RESULTS, json.dumps(found, indent=1) + "\n")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
