"""What wot costs in accuracy on scikit-learn's digits, beside the same training without it.

    python benchmarks/wot_digits.py                 about 10 minutes; goes on where it stopped
    python benchmarks/wot_digits.py --seeds 5

Each seed trains small_cnn with the optimiser of configs/zero_space_ecc/digits.yaml, 10 epochs in floating
point and then 10 more: in floating point, with plain quantisation-aware training, and with wot in its
modes and both layouts. Variants: outward velocity removed, and one scale a channel. Ablations: the paper's
ADMM; and in the paper's layout, quantisation-aware training that is clamped once, at its end, and the
penalty of mode hinge put through the gradient, not applied to the weights.

All runs of a seed are the same up to the start. Test accuracy is of the 500 test images, which no run saw
and nothing was chosen by; that of quantised runs is with 8-bit weights and activations.
Writes benchmarks/results/wot_digits.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import statistics
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from scipy import stats

from fulmen import write_artifact
from fulmen_vision.classifier import ImageClassifier
from fulmen_vision.digits import Digits
from fulmen_vision.small_cnn import SmallCNN
from fulmen_zero_space_ecc.training.hinge import excess
from fulmen_zero_space_ecc.training.qat import QuantizationAwareTraining
from fulmen_zero_space_ecc.training.wot import WeightDistributionTraining

EPOCHS, START = 20, 10
RESULTS = Path(__file__).parent / "results" / "wot_digits.json"


def _wot(mode: Any, layout: Any) -> Callable[[], Callback]:
    return lambda: WeightDistributionTraining(mode=mode, layout=layout, start_epoch=START)


TRAININGS: dict[str, Callable[[], Callback | None]] = {
    "float": lambda: None,
    "qat": lambda: QuantizationAwareTraining(start_epoch=START),
    **{
        f"wot {mode} {layout}": _wot(mode, layout)
        for mode, layout in itertools.product(("throttle", "hinge"), ("interleaved", "paper"))
    },
}


class ClampedAtEnd(QuantizationAwareTraining):
    """Ablation: no weight is held in training, all are clamped after it."""

    def on_train_end(self, trainer: Trainer, *_: Any) -> None:
        """Throttle once."""
        assert self.live is not None
        self.live.throttle_()


class GradientHinge(WeightDistributionTraining):
    """Ablation: the squared hinge added to the gradient, with strength 1."""

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: Any, optimizer: Any) -> None:
        """Add the penalty's gradient."""
        super().on_before_optimizer_step(trainer, pl_module, optimizer)
        for segment in self.stepped_by(optimizer) if self.live is not None else ():
            weight = self.live.weights[segment.name]
            weight.grad += excess(weight, self.live.scale(segment), segment.free)

    def on_step(self, *_: Any) -> None:
        """Leave the weights to the optimiser."""


TRAININGS |= {
    "wot velocity interleaved": lambda: WeightDistributionTraining(
        start_epoch=START, remove_outward_velocity=True
    ),
    "wot channel interleaved": lambda: WeightDistributionTraining(start_epoch=START, scales="channel"),
    "wot admm interleaved": _wot("admm", "interleaved"),
    "qat, clamped at the end": lambda: ClampedAtEnd("paper", START),
    "hinge through gradient": lambda: GradientHinge("hinge", "paper", START),
}


class LargeWeights(Callback):
    """Remembers how many held weights lie outside [-64, 63], at the start and before the last clamp."""

    def __init__(self, watched: Callback | None) -> None:
        self.watched = watched
        self.at_start, self.at_end = 0, 0

    def _count(self) -> int:
        live = self.watched.live if isinstance(self.watched, QuantizationAwareTraining) else None
        return sum(int(count) for count in live.count_outside().values()) if live is not None else 0

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Count after the first step that wot saw."""
        first_step = START * int(trainer.num_training_batches) + 1
        if trainer.global_step == first_step:
            self.at_start = self._count()

    def on_train_end(self, trainer: Trainer, *_: Any) -> None:
        """Count before wot's own last throttle."""
        self.at_end = self._count()


def train(name: str, seed: int) -> dict[str, Any]:
    """Return what one training ended with."""
    seed_everything(seed, verbose=False)
    model = ImageClassifier(
        SmallCNN(),
        num_classes=10,
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=0.003),
        scheduler=lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS),
    )
    callback = TRAININGS[name]()
    # Before wot, so that mode hinge is counted before the throttle that ends it.
    large = LargeWeights(callback)
    trainer = Trainer(
        max_epochs=EPOCHS,
        limit_val_batches=0,
        accelerator="cpu",
        callbacks=[large, *([callback] if callback is not None else [])],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data = Digits()
    trainer.fit(model, data)
    (metrics,) = trainer.test(model, data, verbose=False)
    return {
        "training": name,
        "seed": seed,
        "test_acc": 100 * metrics["test_acc"],
        "test_loss": metrics["test_loss"],
        "large_at_end": large.at_end,
        "large_after_first_step": large.at_start,
    }


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return, per training, mean and spread over the seeds, and the paired difference to the others."""
    accuracy = {(row["training"], row["seed"]): row["test_acc"] for row in rows}
    seeds = sorted({row["seed"] for row in rows})
    table = []
    for name in TRAININGS:
        mine = [accuracy[name, seed] for seed in seeds]
        line = {"training": name, "mean": statistics.mean(mine), "std": statistics.stdev(mine)}
        for other in ("float", "qat"):
            differences = [accuracy[name, seed] - accuracy[other, seed] for seed in seeds]
            line |= {f"minus_{other}": statistics.mean(differences), f"worst_minus_{other}": min(differences)}
            half = stats.t.ppf(0.975, len(seeds) - 1) * statistics.stdev(differences) / len(seeds) ** 0.5
            line[f"half_width_minus_{other}"] = float(half)  # of the 95% interval of the mean, paired
        large = [row["large_at_end"] for row in rows if row["training"] == name]
        table.append({**line, "large_at_end": statistics.mean(large)})
    return table


def show(table: list[dict[str, Any]], seeds: int) -> None:
    """Print the table."""
    print(f"Test accuracy in % of 500 images (one is 0.2 points), {seeds} seeds; differences paired by seed.")
    print("large: held weights outside [-64, 63] when training ends, before any last clamp.")
    print(f"{'':26}{'mean':>6}{'std':>6}{'- float':>10}{'worst':>7}{'- qat':>9}{'worst':>7}{'large':>8}")
    for line in table:
        print(
            f"{line['training']:26}{line['mean']:6.2f}{line['std']:6.2f}"
            f"{line['minus_float']:+10.2f}{line['worst_minus_float']:+7.2f}"
            f"{line['minus_qat']:+9.2f}{line['worst_minus_qat']:+7.2f}{line['large_at_end']:8.0f}"
        )


def main() -> None:
    """Train what is missing, keep it, show the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10, help="how many, from 0 on; at least 2")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)  # one order of summation: the same figures on any number of cores
    kept = json.loads(options.out.read_text())["rows"] if options.out.exists() else []
    done = {(row["training"], row["seed"]): row for row in kept}
    wanted = list(itertools.product(range(options.seeds), TRAININGS))
    for seed, name in wanted:
        if (name, seed) not in done:
            done[name, seed] = train(name, seed)
            result = {"rows": list(done.values()), "torch": torch.__version__}
            write_artifact(options.out, json.dumps(result, indent=1) + "\n")
    rows = [done[name, seed] for seed, name in wanted]
    table = summarise(rows)
    write_artifact(
        options.out, json.dumps({"table": table, "rows": rows, "torch": torch.__version__}, indent=1) + "\n"
    )
    show(table, options.seeds)


if __name__ == "__main__":
    main()
