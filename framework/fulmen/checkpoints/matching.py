"""A checkpoint of another model: named by the keys that differ, not by a page of them."""

from __future__ import annotations

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
    more = f" and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
    raise CheckpointError(
        f"{path}: a checkpoint of another model than {type(model).__name__} as configured: "
        f"{', '.join(differences[:SHOWN])}{more}. "
        "Give the model the options that it was trained with, or another checkpoint."
    )


def _differences(own: Mapping[str, Any], other: Mapping[str, Any], strict: bool) -> Iterator[str]:
    if strict:
        yield from (f"{key} is missing" for key in own if key not in other)
        yield from (f"{key} is unexpected" for key in other if key not in own)
    for key in own:
        if key in other and isinstance(own[key], Tensor):
            found, expected = _shape(other[key]), _shape(own[key])
            if found != expected:
                yield f"{key} is {found}, expected {expected}"


def _shape(value: Any) -> str:
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    return "x".join(map(str, value.shape)) or "a scalar"
