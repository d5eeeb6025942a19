"""Trainings by name on a GPU or the CPU: in one process, and in two that share the GPU."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ranks import gat, sage, split, train

from fulmen_split_parallel.predictions import Predictions

MODELS: dict[str, Callable[[], Any]] = {
    "mean": sage,
    "max": lambda: sage(aggregation="max", residual=True, jump="cat", dropout=0.3),
    "batch norm": lambda: sage(norm="batch", jump="max", dropout=0.3),
    "gat": gat,
    "gatv2": lambda: gat(version=2, use_edge_weight=False, norm="layer", residual=True),
    "layerwise": lambda: sage(inference="layerwise", residual=True, jump="cat"),
}
STRATEGIES: dict[str, Callable[[], Any]] = {
    "cached": lambda: split(cache_rows=60),
    "nccl": lambda: split(transport="nccl"),
    "ddp": lambda: "ddp",
}


def runs(folder: Path, **trainer: Any) -> dict[str, Any]:
    """All of them, as this rank saw them."""
    found = {name: train(folder, 1, make(), predicts=True, **trainer) for name, make in MODELS.items()}
    for name in ("mean", "gat"):
        found[f"{name} in bf16"] = train(
            folder, 1, MODELS[name](), max_epochs=1, **{**trainer, "precision": "bf16-mixed"}
        )
    return found


def strategies(folder: Path, accelerator: str) -> dict[str, Any]:
    """One model under other strategies and options of this one."""
    return {
        name: train(folder, 1, sage(), make, accelerator=accelerator)
        for name, make in STRATEGIES.items()
        if accelerator == "gpu" or name != "nccl"
    }


def sharing(folder: str, accelerator: str) -> dict[str, Any]:
    """Run one of two ranks on the same device: to Lightning each is a node with one device."""
    warnings.simplefilter("ignore")
    os.environ["NODE_RANK"], os.environ["LOCAL_RANK"] = os.environ["LOCAL_RANK"], "0"
    nodes = {"accelerator": accelerator, "num_nodes": 2, "devices": 1}
    found = {}
    for name, make in MODELS.items():
        callbacks = [Predictions(f"{folder}/{name} on {accelerator}.npz")]
        found[name] = train(Path(folder), 1, make(), _gloo, predicts=True, more_callbacks=callbacks, **nodes)
    found["cached"] = train(Path(folder), 1, sage(), lambda: _gloo(cache_rows=60, transport="shm"), **nodes)
    found["gloo"] = train(Path(folder), 1, gat(), lambda: _gloo(transport="gloo"), **nodes)
    found["mean in bf16"] = train(
        Path(folder), 1, sage(), _gloo, max_epochs=1, **{**nodes, "precision": "bf16-mixed"}
    )
    return found


def too_many_for_nccl(folder: str) -> str:
    """Run one of two ranks that share a GPU and gradients by NCCL; return what it was refused with."""
    warnings.simplefilter("ignore")
    os.environ["NODE_RANK"], os.environ["LOCAL_RANK"] = os.environ["LOCAL_RANK"], "0"
    try:
        train(Path(folder), 1, sage(), accelerator="gpu", num_nodes=2, devices=1)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "it ran"


def _gloo(**options: Any) -> Any:
    return split(process_group_backend="gloo", **options)
