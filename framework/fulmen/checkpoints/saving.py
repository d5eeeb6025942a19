"""What Lightning's Trainer saves and loads checkpoints with, in the place of Lightning's own.

Lightning's ``TorchCheckpointIO`` writes to the system's temporary folder and copies: a full disk or a
kill during the copy leaves a fragment in the place of the last good checkpoint, and a folder that
denies writing is not reported at all (Lightning 2.6.6).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.strategies import Strategy

from fulmen.artifacts import write_artifact
from fulmen.checkpoints.loading import (
    MapLocation,
    is_remote,
    load_checkpoint,
    read_checkpoint,
    trust_checkpoint,
    trusted_checkpoints,
)
from fulmen.checkpoints.plain import require_plain
from fulmen.errors import CheckpointError

# What ddp_spawn's rank 0 leaves for the process that started it: a bare state_dict.
_HANDED_OVER = ".temp.ckpt"
_VERSION = "pytorch-lightning_version"


class WholeFileCheckpointIO(TorchCheckpointIO):
    """Saves a checkpoint whole or not at all, and loads it as data.

    Works for every strategy whose checkpoint is one file. Strategies that write a folder of shards
    (FSDP with ``state_dict_type: sharded``, ModelParallel, DeepSpeed) save and load those themselves
    and do not come by here.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Save a checkpoint; at every instant the file is the previous one or the new one.

        Raises:
            CheckpointError: it holds what could not be loaded back as data; names the key.
            ArtifactError: the disk is full or fails. The old file stays whole.
            UserError: the folder cannot be written.
        """
        if storage_options is not None:
            raise TypeError(
                f"{type(self).__name__} takes no storage_options; set a CheckpointIO plugin that does."
            )
        require_plain(checkpoint, path)
        if is_remote(path):  # an object store has no rename, and puts a whole object or none
            super().save_checkpoint(checkpoint, os.fspath(path))
        else:
            write_artifact(path, lambda file: torch.save(checkpoint, file))

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: MapLocation = "cpu",
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Load a checkpoint as `fulmen.load_checkpoint` does.

        ``weights_only=False``, which Lightning's users pass on purpose, is knowing trust in the file.
        """
        trust = weights_only is False
        if Path(path).name == _HANDED_OVER:
            return read_checkpoint(path, map_location=map_location)
        checkpoint = load_checkpoint(path, trust=trust, map_location=map_location)
        if not isinstance(checkpoint.get(_VERSION), str):
            raise CheckpointError(
                f"{path}: weights that Lightning did not save (no {_VERSION!r}); a run goes on from a "
                "checkpoint that fit saved. Load such weights inside the model instead."
            )
        return checkpoint

    def __getstate__(self) -> dict[str, Any]:
        # A process that ddp_spawn starts is handed this object, not the command line.
        return {**self.__dict__, "trusted": sorted(trusted_checkpoints())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for path in state.pop("trusted"):
            trust_checkpoint(path)
        self.__dict__.update(state)


def install_checkpoint_io(strategy: Strategy) -> None:
    """Make a strategy save with `WholeFileCheckpointIO`, unless the user or the strategy chose another."""
    if strategy._checkpoint_io is not None:
        return
    try:
        strategy.checkpoint_io = WholeFileCheckpointIO()
    except TypeError:  # XLA's strategies take only their own
        strategy._checkpoint_io = None
