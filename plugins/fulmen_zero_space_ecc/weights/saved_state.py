"""What `wot` leaves in a checkpoint, and how to read it without Lightning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATE_KEY = "zero_space_ecc.wot"


def saved_state(checkpoint: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the state that `wot` saved in a loaded checkpoint, or None if it never started there.

    Its keys: ``layout`` and ``ignore`` as given to `placement`; ``frozen``, with the ``scales`` by name
    of the weight (int8 weight = round(weight / torch.tensor(scale)): a number, or nested lists that
    broadcast, one number a channel), the ``activation_ranges`` by name of the layer
    (the magnitude that 127 stands for) and the ``folded`` normalisations by name of the convolution.
    """
    state = checkpoint.get("callbacks", {}).get(STATE_KEY)
    return state if state is not None and state["frozen"] is not None else None
