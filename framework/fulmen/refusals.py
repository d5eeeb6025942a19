"""What Lightning refuses of a user's config, told as fulmen tells it: one line, and its exit status."""

from __future__ import annotations

import re
from collections.abc import Iterable

import lightning.pytorch as pl
from lightning.fabric.utilities.exceptions import MisconfigurationException

from fulmen.errors import ConfigError, FulmenError
from fulmen.names import near_matches

# Lightning looks a monitored metric up by its name only when the first epoch ends.
_NO_SUCH_METRIC = re.compile(
    r"(?P<early>Early stopping conditioned on metric `(?P<stopped>.*?)` which is not available)"
    r"|(?P<checkpoint>`?ModelCheckpoint\(monitor='(?P<kept>.*?)'\)`? could not find)"
    r"|ReduceLROnPlateau conditioned on metric (?P<reduced>\S+) which is not available"
)
_BEYOND = re.compile(
    r"restored a checkpoint with current_epoch=(\d+), but you have set Trainer\(max_epochs=(\d+)\)"
)


def refused_trainer(error: Exception) -> ConfigError:
    """Return the error for what a Trainer was not made of."""
    return ConfigError(f"trainer: {first_line(error)}")


def refused_run(error: Exception, trainer: pl.Trainer, verb: str) -> FulmenError | None:
    """Return the error for a run that Lightning ended because of the config, or None if that was not why.

    Args:
        error: What the run raised.
        trainer: Whose run it was.
        verb: What was run.

    Returns:
        A ConfigError (status 2) if nothing was trained yet, else a FulmenError (1).
    """
    missing = (
        _NO_SUCH_METRIC.search(str(error))
        if isinstance(error, RuntimeError | MisconfigurationException)
        else None
    )
    if missing is not None:
        owner = (
            "EarlyStopping"
            if missing["early"]
            else "ModelCheckpoint"
            if missing["checkpoint"]
            else "ReduceLROnPlateau"
        )
        line = _no_such_metric(
            owner, missing["stopped"] or missing["kept"] or missing["reduced"], trainer.callback_metrics
        )
    elif found := _BEYOND.search(str(error)):
        return ConfigError(
            f"{verb}: the checkpoint stands at epoch {found[1]}, trainer.max_epochs is {found[2]}; there is "
            "nothing left to train. Set trainer.max_epochs higher, or take another checkpoint."
        )
    elif isinstance(error, MisconfigurationException):
        line = f"{verb}: {first_line(error)}"
    else:
        return None
    return (ConfigError if trainer.global_step == 0 else FulmenError)(line)


def _no_such_metric(owner: str, monitor: str, logged: Iterable[str]) -> str:
    known = sorted(logged)
    near = near_matches(monitor, known)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    found = f"the model logs {', '.join(known)}" if known else "the model logs no metric (self.log)"
    return f"{owner}: monitor: no metric {monitor!r}; {found}.{hint}"


def first_line(error: Exception) -> str:
    """Return the first line of an error, or its type's name if it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
