"""The value of an objective: a metric that was logged, a cost, or a scalar of an analyzer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn

from fulmen.config.analyzer_option import build_analyzer
from fulmen.costs import measuring
from fulmen.errors import ConfigError
from fulmen.runner import Runner
from fulmen.searching import Objective


def value_of(
    objective: Objective,
    trainer: Runner,
    model: pl.LightningModule,
    data: pl.LightningDataModule | None,
    reference: nn.Module,
    checkpoint: Path | None,
) -> dict[str, float]:
    """Return the value of an objective after a training, and what else was found on the way.

    Args:
        objective: Which.
        trainer: The Runner that trained.
        model: What it trained.
        data: With what.
        reference: What latencies are measured by.
        checkpoint: The training's checkpoint, for analyzers; None if none was kept.

    Raises:
        ConfigError: the metric is not logged, the analyzer has no such scalar, there are no inputs.
    """
    source = objective.source
    if "metric" in source:
        return {objective.name: _metric(objective, trainer)}
    if "analyzer" in source:
        return {objective.name: _scalar(objective, trainer, model, data, checkpoint)}
    cost = str(source["cost"])
    options = measuring.check(cost, source.get("options") or {})  # type: ignore[arg-type]
    # The Trainer has taken the model off the device that it trained on: times are that device's.
    device = trainer.strategy.root_device if cost == "latency" else model.device
    example = _example(objective, model, data).to(device)
    found = measuring.measure(cost, options, model, example, reference)
    return {f"{objective.name}.{key}" if key else objective.name: value for key, value in found.items()}


def _metric(objective: Objective, trainer: Runner) -> float:
    name = str(objective.source["metric"])
    if name not in trainer.callback_metrics:
        known = ", ".join(sorted(trainer.callback_metrics)) or "none"
        every = trainer.check_val_every_n_epoch
        unseen = f" There was no validation: {trainer.current_epoch} epochs, and one every {every}."
        validated = not every or trainer.current_epoch >= every
        raise ConfigError(
            f"objectives: {objective.name!r}: the model logs no metric {name!r}; it logs {known}."
            f"{'' if validated else unseen}"
        )
    return float(trainer.callback_metrics[name])


def _scalar(
    objective: Objective,
    trainer: Runner,
    model: pl.LightningModule,
    data: pl.LightningDataModule | None,
    checkpoint: Path | None,
) -> float:
    analyzer = build_analyzer(objective.source["analyzer"], f"objectives: {objective.name!r}")
    with isolate_rng():
        report = trainer.examine(analyzer, model, data, checkpoint)
    key = str(objective.source["scalar"])
    if key not in report.scalars:
        known = ", ".join(list(report.scalars)[:12]) or "none"
        raise ConfigError(
            f"objectives: {objective.name!r}: {type(analyzer).__name__} reports no scalar {key!r}; "
            f"it reports {known}."
        )
    return float(report.scalars[key])


def _example(objective: Objective, model: pl.LightningModule, data: Any) -> Tensor:
    """Return a batch of inputs: the model's own example, or the first of the validation data."""
    example: Any = model.example_input_array
    if example is None and data is not None:
        example = next(iter(data.val_dataloader()))
    while isinstance(example, list | tuple) and example:
        example = example[0]
    if isinstance(example, Mapping):
        example = next(iter(example.values()), None)
    if not isinstance(example, torch.Tensor):
        raise ConfigError(
            f"objectives: {objective.name!r}: no tensor to measure with; give the model an "
            "example_input_array, or val_dataloader batches that begin with one."
        )
    return example
