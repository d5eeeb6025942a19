"""Checkpoints whose weights a plugin has encoded: the plugin that made them gives them back as tensors.

Such a checkpoint names a function of the plugin under `ENCODED_BY`. It is imported only if the module
is an installed plugin's: a checkpoint is data, and no reason to import anything else.
"""

from __future__ import annotations

import os
from typing import Any

from fulmen.errors import CheckpointError
from fulmen.host import host
from fulmen.targets import load_target

ENCODED_BY = "fulmen_encoded_by"


def decoded(checkpoint: dict[str, Any], path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a checkpoint with plain weights; one that nobody encoded as it is.

    Args:
        checkpoint: What was read. Under `ENCODED_BY` it may name ``"package.module:function"``, which
            takes the encoded ``state_dict`` and returns the plain one, or raises ValueError.
        path: Where it came from, for messages.

    Raises:
        CheckpointError: no installed plugin owns that function, or it says that the weights are damaged.
    """
    target = checkpoint.get(ENCODED_BY)
    if target is None:
        return checkpoint
    package = str(target).partition(".")[0]
    owner = next((p for p in host().plugins.values() if p.value.partition(".")[0] == package), None)
    if owner is None or owner.state != "ok":
        state = f"the plugin {owner.name!r} is {owner.state}" if owner else "no installed plugin has it"
        raise CheckpointError(
            f"{path}: its weights are encoded, and {target!r} decodes them, but {state}; "
            "install or enable the plugin that saved it."
        )
    decode = load_target(str(target), f"the decoder of {path}, of plugin {owner.name!r},")
    try:
        state_dict = decode(checkpoint["state_dict"])
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error
    plain = {key: value for key, value in checkpoint.items() if key != ENCODED_BY}
    return {**plain, "state_dict": state_dict}
