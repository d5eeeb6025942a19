"""One way to train, for all suites: small, quiet, on the CPU, with everything kept in one folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.strategies import Strategy
from lightning.pytorch.utilities.model_helpers import is_overridden

import fulmen
from fulmen.testing.building import Config, build

EPOCHS = 3

AnyTrainer = TypeVar("AnyTrainer", bound=Trainer)


def trainer_options(folder: Path, **changed: Any) -> dict[str, Any]:
    """Return the options of a Trainer, but for callbacks and logger: three epochs of at most four batches."""
    return {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": EPOCHS,
        "limit_train_batches": 4,
        "limit_val_batches": 2,
        "limit_test_batches": 2,
        "limit_predict_batches": 2,
        "log_every_n_steps": 1,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": str(folder),
        **changed,
    }


def checkpoint_options(folder: Path) -> dict[str, Any]:
    """Return the options of a ModelCheckpoint that keeps every epoch in ``folder``."""
    return {"dirpath": str(folder), "filename": "{epoch}", "save_top_k": -1}


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the checkpoints of the epochs, in their order."""
    return sorted(folder.glob("epoch=*.ckpt"), key=lambda path: int(path.stem.partition("=")[2]))


def make_trainer(
    cls: type[AnyTrainer],
    folder: Path,
    callbacks: Sequence[Callback] = (),
    keep: bool = False,
    **changed: Any,
) -> AnyTrainer:
    """Return a Trainer or Runner.

    Args:
        cls: Which of the two.
        folder: Where all files go.
        callbacks: What else happens.
        keep: Keep a checkpoint of each epoch in ``folder/checkpoints``.
        changed: Options other than those of `trainer_options`.
    """
    kept = [ModelCheckpoint(**checkpoint_options(folder / "checkpoints"))] if keep else []
    return cls(
        **trainer_options(folder, **changed),
        callbacks=[*callbacks, *kept],
        enable_checkpointing=keep,
        logger=CSVLogger(folder, name="logs"),
    )


def fit(
    trainer: Trainer, model: Config, data: Config, ckpt_path: Path | None = None
) -> dict[str, torch.Tensor]:
    """Train a fresh model on fresh data, seeded, and return its weights.

    A checkpoint is loaded as Lightning does by default: as data (``weights_only=True``).
    """
    seed_everything(1, verbose=False)
    module = build(LightningModule, model)
    trainer.fit(module, datamodule=build(LightningDataModule, data), ckpt_path=ckpt_path)
    return weights_of(module)


def fit_in_two_processes(
    folder_name: str, model: dict[str, Any], data: dict[str, Any], callback: dict[str, Any]
) -> dict[str, torch.Tensor]:
    """Train as one of two ranks and return the parameters; buffers are each rank's own."""
    made = [build(Callback, callback)]
    trainer = make_trainer(fulmen.Runner, Path(folder_name), made, strategy="ddp", devices=2)
    weights = fit(trainer, model, data)
    return {name: weights[name] for name, _ in trainer.lightning_module.named_parameters()}


def fit_with_strategy(
    folder_name: str,
    model: dict[str, Any],
    data: dict[str, Any],
    strategy: dict[str, Any],
    devices: int,
    options: dict[str, Any],
    checkpoint: str | None,
) -> None:
    """Train as one of ``devices`` ranks of a strategy, keeping checkpoints."""
    chosen = {"strategy": build(Strategy, strategy), "devices": devices, **options}
    trainer = make_trainer(fulmen.Runner, Path(folder_name), keep=True, **chosen)
    fit(trainer, model, data, None if checkpoint is None else Path(checkpoint))


def verbs_of(model: LightningModule, data: LightningDataModule) -> list[str]:
    """Return the verbs that a model has a step and data a loader for."""
    parts = {"fit": ("training_step", "train"), "validate": ("validation_step", "val")}
    parts |= {"test": ("test_step", "test"), "predict": ("predict_step", "predict")}
    return [
        verb
        for verb, (step, loader) in parts.items()
        if is_overridden(step, model) and is_overridden(f"{loader}_dataloader", data)
    ]


def weights_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of a module's parameters and buffers."""
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}


def not_finite(weights: Mapping[str, torch.Tensor]) -> list[str]:
    """Return the names of the tensors that hold NaN or infinity."""
    return [name for name, tensor in weights.items() if not torch.isfinite(tensor).all()]
