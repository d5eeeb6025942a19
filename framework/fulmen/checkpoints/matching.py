"""A checkpoint of another model: named by the keys that differ, not by a page of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from fulmen.errors import CheckpointError

SHOWN = 10


def check_state_dict(
    model: nn.Module, checkpoint: Mapping[str, Any], path: str | os.PathLike[str], *, strict: bool = True
) -> None:
    """Refuse a checkpoint whose weights are not this model's.

    Args:
        model: The model that is to take the weights.
        checkpoint: What `load_checkpoint` gave.
        path: Where it came from, for the message.
        strict: Whether missing and unexpected keys count, beside shapes that differ.

    Raises:
        CheckpointError: lists at most ten keys that are missing, unexpected or of another shape.
    """
    differences = list(_differences(model.state_dict(), checkpoint["state_dict"], strict))
    if not differences:
        return
    shown = itertools.groupby(differences[:SHOWN], key=lambda difference: difference[0])
    keys = "; ".join(f"{kind}: {', '.join(key for _, key in group)}" for kind, group in shown)
    more = f"; and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
    raise CheckpointError(
        f"{path}: a checkpoint of another model{_trained_class(checkpoint)} than {type(model).__name__} "
        f"as configured ({keys}{more}). "
        "Give the model the class and options that it was trained with, or another checkpoint."
    )


def _trained_class(checkpoint: Mapping[str, Any]) -> str:
    """Name the class that a checkpoint's hyperparameters name; a model need not save any."""
    class_path = str((checkpoint.get("hyper_parameters") or {}).get("_class_path") or "")
    return f" ({class_path.rpartition('.')[2]})" if class_path else ""


def _differences(own: Mapping[str, Any], other: Mapping[str, Any], strict: bool) -> Iterator[tuple[str, str]]:
    if strict:
        yield from (("missing", key) for key in own if key not in other)
        yield from (("unexpected", key) for key in other if key not in own)
    for key in own:
        if key in other and isinstance(own[key], Tensor):
            found, expected = _shape(other[key]), _shape(own[key])
            if found != expected:
                yield "of another shape", f"{key} ({found}, expected {expected})"


def _shape(value: Any) -> str:
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    return "x".join(map(str, value.shape)) or "a scalar"
