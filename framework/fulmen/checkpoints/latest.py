"""``ckpt_path: last``: the newest checkpoint of the earlier runs of a Trainer.

Lightning looks only for ``save_last`` files, and by default in the folder of the new run, which is
empty: a fit that was to go on starts anew.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from fulmen.checkpoints.loading import is_remote, require_format
from fulmen.errors import CheckpointError

log = logging.getLogger(__name__)


def find_latest(trainer: Trainer) -> Path | None:
    """Return the newest whole checkpoint that an earlier run of this Trainer's config left, or None.

    Searched are the folders that its ModelCheckpoint callbacks name, and those in which Lightning
    puts checkpoints otherwise: beside the versions of each logger, or below ``default_root_dir``.
    Remote folders are not. A file that is cut short is passed over, and said.
    """
    found = [path for folder in _folders(trainer) for path in _checkpoints(folder)]
    for path in sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            if path.is_file():  # else a folder of shards, which its strategy loads
                require_format(str(path))
        except CheckpointError as error:
            log.warning("passed over: %s", error)
            continue
        return path
    return None


def no_last_checkpoint(trainer: Trainer) -> CheckpointError:
    """Return the error of a verb that needs the last checkpoint where there is none."""
    return CheckpointError(
        f"ckpt_path: there is no last checkpoint below {trainer.default_root_dir}, nor where the loggers and "
        "checkpoint callbacks of this config keep theirs; give the path of one, or train first."
    )


def _folders(trainer: Trainer) -> Iterator[Path]:
    savers = [callback for callback in trainer.checkpoint_callbacks if isinstance(callback, ModelCheckpoint)]
    given = {str(saver.dirpath) for saver in savers if saver.dirpath is not None}
    yield from (Path(folder) for folder in given if not is_remote(folder))
    for logger in trainer.loggers:
        save_dir = str(logger.save_dir or trainer.default_root_dir)
        if not is_remote(save_dir):
            yield from Path(save_dir, str(logger.name or "")).glob("*/checkpoints")
    if not trainer.loggers and not is_remote(trainer.default_root_dir):
        yield Path(trainer.default_root_dir, "checkpoints")


def _checkpoints(folder: Path) -> Iterator[Path]:
    for path in folder.glob(f"*{ModelCheckpoint.FILE_EXTENSION}"):
        if not path.name.startswith("."):  # half-written, of a process that was killed
            yield path
