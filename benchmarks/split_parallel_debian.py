"""What dependencies say about a Debian package beyond its description: GraphSAGE beside a perceptron.

    python benchmarks/split_parallel_debian.py              about 10 minutes; goes on where it stopped
    python benchmarks/split_parallel_debian.py --seeds 2

Trains the models of configs/split_parallel/debian.yaml and debian_mlp.yaml with their options and data, in
one process and float32 (split over ranks they are the same to rounding), once per seed of weights and
mini-batches. Validation accuracy of GraphSAGE is that of its last epoch; of the perceptron, that of its best
one, which favours it. Test accuracy is of the 12,733 test packages, which nothing was chosen by.
Writes benchmarks/results/split_parallel_debian.json.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import warnings
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything

from fulmen import write_artifact
from fulmen_split_parallel.graph_data import GraphData
from fulmen_split_parallel.models import MLP, SAGE

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "split_parallel_debian.json"
MODELS: dict[str, tuple[str, type[LightningModule]]] = {"sage": ("debian", SAGE), "mlp": ("debian_mlp", MLP)}


class Curve(Callback):
    """Keeps the validation accuracy of each epoch."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep one."""
        self.values.append(float(trainer.callback_metrics["val_acc"]))


def train(name: str, seed: int) -> dict[str, Any]:
    """Train one model with one seed; return its validation curve and test accuracy."""
    file, kind = MODELS[name]
    config = yaml.safe_load((ROOT / "configs" / "split_parallel" / f"{file}.yaml").read_text())
    seed_everything(seed, verbose=False)
    model, data = kind(**config["model"]["init_args"]), GraphData(**config["data"]["init_args"])
    curve = Curve()
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=config["trainer"]["max_epochs"],
        num_sanity_val_steps=0,
        logger=False,
        callbacks=[curve],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, datamodule=data)
    (tested,) = trainer.test(model, datamodule=data, verbose=False)
    chosen = max(curve.values) if name == "mlp" else curve.values[-1]
    return {"val_curve": curve.values, "val_acc": chosen, "test_acc": tested["test_acc"]}


def main() -> None:
    """Train what has not been trained yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(1, parser.parse_args().seeds + 1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for seed in seeds:
        for name in MODELS:
            if (key := f"{name} {seed}") not in results:
                results[key] = train(name, seed)
                write_artifact(RESULTS, json.dumps(results, indent=1))
            print(f"{key:10} val_acc {results[key]['val_acc']:.4f}  test_acc {results[key]['test_acc']:.4f}")
    gains = [results[f"sage {seed}"]["val_acc"] - results[f"mlp {seed}"]["val_acc"] for seed in seeds]
    for name in MODELS:
        for metric in ("val_acc", "test_acc"):
            values = [results[f"{name} {seed}"][metric] for seed in seeds]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            print(f"{name:5} {metric:9} {statistics.mean(values):.4f} +- {spread:.4f}")
    print(f"least gain in val_acc over {len(gains)} seeds: {min(gains):.4f} (bar: .03)")


if __name__ == "__main__":
    main()
