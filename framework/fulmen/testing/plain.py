"""The same training by LightningCLI and Trainer as they come: nothing of fulmen's runner takes part.

Runs in a process of its own, in which fulmen has changed nothing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.strategies import Strategy

from fulmen.testing.building import build
from fulmen.testing.training import (
    checkpoint_options,
    checkpoints_in,
    fit,
    make_trainer,
    trainer_options,
    weights_of,
)


def train_plainly(
    folder_name: str,
    model: dict[str, Any],
    data: dict[str, Any],
    callbacks: Sequence[dict[str, Any]],
    checkpoint: str | None = None,
    strategy: dict[str, Any] | None = None,
    devices: int = 1,
) -> dict[str, Any]:
    """Train by class path in a LightningCLI, then go on from its checkpoint, by import, in a Trainer.

    Args:
        folder_name: Where all files go.
        model: As in YAML, with a full class path; ``data``, ``callbacks`` and ``strategy`` likewise.
        checkpoint: One that fulmen's Runner saved before the last epoch, to go on from as well.
        devices: How many processes there are.

    Returns:
        The final weights: ``whole`` of the LightningCLI, ``resumed`` of the Trainer that went on from
        its last checkpoint but one, and, with a ``checkpoint``, those ``from_runner``.
    """
    folder = Path(folder_name)

    def go_on_from(path: Path) -> dict[str, torch.Tensor]:
        torch.load(path, weights_only=True)
        chosen = {} if strategy is None else {"strategy": build(Strategy, strategy)}
        made = [build(Callback, callback) for callback in callbacks]
        return fit(make_trainer(Trainer, folder, made, devices=devices, **chosen), model, data, path)

    trainer = trainer_options(folder, devices=devices, strategy=strategy or "auto")
    trainer["logger"] = _named("loggers.CSVLogger", {"save_dir": folder_name})
    trainer["callbacks"] = [
        *callbacks,
        _named("callbacks.ModelCheckpoint", checkpoint_options(folder / "cli")),
    ]
    results = {"whole": _command_line(folder, {"trainer": trainer, "model": model, "data": data})}
    results["resumed"] = go_on_from(checkpoints_in(folder / "cli")[-2])
    if checkpoint is not None:
        results["from_runner"] = go_on_from(Path(checkpoint))
    return results


def _command_line(folder: Path, config: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Run ``fit --config FILE`` of a LightningCLI and return the final weights."""
    file = folder / f"plain{os.environ.get('LOCAL_RANK', 0)}.yaml"
    file.write_text(json.dumps({"seed_everything": 1, **config}))  # JSON is YAML
    sys.argv = ["plain", "fit", "--config", str(file)]
    return weights_of(LightningCLI().model)


def _named(name: str, init_args: dict[str, Any]) -> dict[str, Any]:
    return {"class_path": f"lightning.pytorch.{name}", "init_args": init_args}
