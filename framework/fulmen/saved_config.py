"""Saves the config of a run beside its results."""

from __future__ import annotations

from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.cli import SaveConfigCallback

from fulmen.artifacts import write_artifact


class SavedConfig(SaveConfigCallback):
    """Writes ``config.yaml`` into the folder of the run: the logger's, or the checkpoints'.

    Unlike Lightning's it is written whole or not at all, never into the working directory, and a
    second run into the same folder gets ``config-2.yaml`` rather than an error.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **{**kwargs, "save_to_log_dir": False})  # type: ignore[arg-type]

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Write the resolved config, on rank zero."""
        folder = _folder(trainer)
        if folder is None:
            return
        text = self.parser.dump(self.config, skip_none=False)
        number = 1
        while True:
            name = self.config_filename if number == 1 else f"{Path(self.config_filename).stem}-{number}.yaml"
            path = folder / name
            if not path.exists():
                write_artifact(path, text)
                return
            if path.read_text() == text:
                return
            number += 1


def _folder(trainer: pl.Trainer) -> Path | None:
    for logger in trainer.loggers:
        if logger.log_dir or logger.save_dir:
            return Path(str(logger.log_dir or logger.save_dir))
    callback = trainer.checkpoint_callback
    if callback is None:
        return None
    # Lightning resolves the folder of the checkpoints after this callback has run.
    return Path(getattr(callback, "dirpath", None) or Path(trainer.default_root_dir) / "checkpoints")
