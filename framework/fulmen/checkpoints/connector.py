"""Where a Trainer resumes: Lightning's way, with fulmen's refusals at its door."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lightning.pytorch.strategies import Strategy
from lightning.pytorch.trainer.connectors.checkpoint_connector import _CheckpointConnector
from lightning.pytorch.trainer.states import TrainerFn

from fulmen.checkpoints.loading import is_remote, load_checkpoint
from fulmen.checkpoints.matching import check_state_dict
from fulmen.errors import CheckpointError


class CheckpointConnector(_CheckpointConnector):
    """Lightning's connector, which refuses what a strategy would unpickle and another model's weights."""

    def resume_start(
        self, checkpoint_path: str | os.PathLike[str] | None = None, weights_only: bool | None = None
    ) -> None:
        """Load the checkpoint, if there is one to resume from."""
        path = os.fspath(checkpoint_path) if checkpoint_path else None
        if path and self._strategy_loads_itself() and (is_remote(path) or Path(path).is_file()):
            # FSDP and ModelParallel unpickle a single file by means of their own: read it as data
            # first, without its tensors. Folders of shards are theirs alone.
            load_checkpoint(path, trust=weights_only is False, map_location="meta")
        super().resume_start(path, weights_only=weights_only)

    def restore_model(self) -> None:
        """Give the loaded weights to the model; refuse those of another model."""
        try:
            super().restore_model()
        except RuntimeError:
            # Only now, because a model may rename keys or grow layers in on_load_checkpoint.
            model, path = self.trainer.lightning_module, self._ckpt_path or "checkpoint"
            if "state_dict" in self._loaded_checkpoint:
                check_state_dict(model, self._loaded_checkpoint, path, strict=model.strict_loading)
            raise

    def _select_ckpt_path(self, state_fn: TrainerFn, ckpt_path: Any, *args: Any, **kwargs: Any) -> Any:
        """Refuse ``last`` where there is none, but to fit: Lightning would test untrained weights."""
        found = super()._select_ckpt_path(state_fn, ckpt_path, *args, **kwargs)
        if ckpt_path == "last" and found is None and state_fn != TrainerFn.FITTING:
            raise CheckpointError(
                f"ckpt_path: there is no last checkpoint below {self.trainer.default_root_dir}; "
                "give the path of one, or train first."
            )
        return found

    def _strategy_loads_itself(self) -> bool:
        return type(self.trainer.strategy).load_checkpoint is not Strategy.load_checkpoint
