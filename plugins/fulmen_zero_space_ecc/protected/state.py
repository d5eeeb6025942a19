"""A protected form as a state dict, and back: what a checkpoint of a protected model holds.

Four tensors stand for all of a model: the arena, the buffer of floats, what their code keeps beside them
(by default nothing), and the header that says what lies where. No number is there twice.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fulmen_zero_space_ecc.protected.form import ProtectedForm
from fulmen_zero_space_ecc.protected.header import decode_header, encode_header

HEADER, PAYLOAD, FLOATS, SPARE = (
    f"zero_space_ecc.{name}" for name in ("header", "payload", "floats", "spare")
)
KEYS = (HEADER, PAYLOAD, FLOATS, SPARE)


def is_protected(state: Mapping[str, Any]) -> bool:
    """Whether a state dict holds a protected form, whole or in part."""
    return any(key in state for key in KEYS)


def to_state(form: ProtectedForm) -> dict[str, Tensor]:
    """Return the state dict of a protected form; its tensors share memory with the form's."""
    header = torch.frombuffer(bytearray(encode_header(form)), dtype=torch.uint8)
    return {HEADER: header, PAYLOAD: form.payload, FLOATS: form.floats, SPARE: form.spare}


def from_state(state: Mapping[str, Tensor]) -> ProtectedForm:
    """Return the protected form that a state dict holds, on the CPU; the tensors are copies.

    Raises:
        ValueError: a part is missing, of another length than the header says, or of another version;
            or the header is damaged beyond its vote.
    """
    if missing := [key for key in KEYS if key not in state]:
        raise ValueError(f"a protected state without {', '.join(missing)}; it is not whole.")
    described, _ = decode_header(state[HEADER].cpu().numpy().tobytes())
    copies = {key: state[key].detach().cpu().contiguous().clone() for key in KEYS}
    for key, size, dtype in (
        (PAYLOAD, described.placed.size, torch.int8),
        (FLOATS, described.num_floats, torch.float32),
        (SPARE, described.num_spare, torch.uint8),
    ):
        tensor = copies[key]
        if tensor.dtype != dtype or tensor.shape != (size,):
            raise ValueError(
                f"{key}: {tensor.numel():,} numbers of {tensor.dtype}, the header says {size:,} of {dtype}; "
                "it is cut short, or of another model."
            )
    return described.form(copies[PAYLOAD], copies[FLOATS], copies[SPARE])


def decode(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the float state dict that a protected one stands for, bit rot corrected and told.

    Warns of what was corrected, and of blocks with two wrong bits, which are left as they are.

    Raises:
        ValueError: as `from_state`.
    """
    form = from_state(state)
    mended = form.scrub_()
    if mended.corrected:
        warnings.warn(
            f"zero_space_ecc: {mended.corrected} wrong bits of the file were corrected.", stacklevel=2
        )
    if mended.detected:
        warnings.warn(
            f"zero_space_ecc: {mended.detected} blocks of the file have two wrong bits, beyond correction; "
            "repair it from a copy: fulmen zero_space_ecc repair FILE --golden COPY.",
            stacklevel=2,
        )
    return form.state_dict()
