"""Where a Trainer resumes: Lightning's way, with fulmen's refusals at its door."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import Any

from lightning.pytorch.strategies import Strategy
from lightning.pytorch.trainer.connectors.checkpoint_connector import _CheckpointConnector
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_only

from fulmen.checkpoints.latest import find_latest, no_last_checkpoint
from fulmen.checkpoints.loading import is_remote, load_checkpoint
from fulmen.checkpoints.matching import check_state_dict
from fulmen.errors import CheckpointError

log = logging.getLogger(__name__)


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

    def _parse_ckpt_path(self, state_fn: TrainerFn, ckpt_path: Any, *args: Any, **kwargs: Any) -> Any:
        """Take for ``last`` the newest checkpoint of the earlier runs, where Lightning finds none.

        Where there is none at all, a fit begins, since the same command may be meant to begin and to
        go on; other verbs are refused, or they would work with untrained weights.
        """
        if ckpt_path != "last":
            try:
                return super()._parse_ckpt_path(state_fn, ckpt_path, *args, **kwargs)
            except ValueError as error:  # best, hpc, registry: there is none
                raise CheckpointError(f"ckpt_path: {str(error).splitlines()[0]}") from error
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*there is no last checkpoint available.*")
            found = super()._parse_ckpt_path(state_fn, ckpt_path, *args, **kwargs)
        found = found or find_latest(self.trainer)
        if found is None and state_fn != TrainerFn.FITTING:
            raise no_last_checkpoint(self.trainer)
        if found is None:
            _say("ckpt_path: there is no last checkpoint of an earlier run; the training starts anew.")
        return found if found is None else str(found)

    def _strategy_loads_itself(self) -> bool:
        return type(self.trainer.strategy).load_checkpoint is not Strategy.load_checkpoint


@rank_zero_only
def _say(line: str) -> None:
    log.warning("%s", line)
