"""The stock part of the conformance kit for several data modules in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fulmen.testing.plain import train_plainly

MODEL = {"class_path": "fulmen.testing.toys.AnyBatch"}


def train_each(folder: str, systems: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Train on each system as the kit does, by LightningCLI and Trainer as they come."""
    trained = {}
    for name, config in systems.items():
        own = Path(folder) / name
        own.mkdir()
        try:
            trained[name] = train_plainly(str(own), MODEL, config, ())
        except BaseException as error:
            error.add_note(f"while training on {name}")
            raise
    return trained
