"""A protected form as a state dict, and back: what a checkpoint of a protected model holds.

Four tensors stand for all weights and floats: the arena, the buffer of floats, what their code keeps
beside them (by default nothing), and three copies of a header that says what lies where. No number is
there twice; integer buffers keep their own names.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fulmen_zero_space_ecc.floats import Method, spare_bytes
from fulmen_zero_space_ecc.placement import Placement, Segment, segments_of
from fulmen_zero_space_ecc.protected_form import Place, ProtectedForm

HEADER, PAYLOAD, FLOATS, SPARE = (
    f"zero_space_ecc.{name}" for name in ("header", "payload", "floats", "spare")
)
KEYS = (HEADER, PAYLOAD, FLOATS, SPARE)
VERSION = 1
_COPIES = 3
_CHECKSUM = 4  # bytes


@dataclass(frozen=True)
class Description:
    """What a header says: the plan of the arena, and the places of all floats."""

    placed: Placement
    scales: tuple[Place, ...]
    bare: tuple[Place, ...]
    method: Method

    @property
    def num_floats(self) -> int:
        """The length of the buffer of floats."""
        used = max((place.span.stop for place in (*self.scales, *self.bare)), default=0)
        return used + used % 2


def is_protected(state: Mapping[str, Any]) -> bool:
    """Whether a state dict holds a protected form, whole or in part."""
    return any(key in state for key in KEYS)


def to_state(form: ProtectedForm) -> dict[str, Tensor]:
    """Return the state dict of a protected form; its tensors share memory with the form's."""
    return {
        HEADER: torch.frombuffer(bytearray(encode_header(form)), dtype=torch.uint8),
        PAYLOAD: form.payload,
        FLOATS: form.floats,
        SPARE: form.spare,
        **form.others,
    }


def from_state(state: Mapping[str, Tensor]) -> ProtectedForm:
    """Return the protected form that a state dict holds, on the CPU; the tensors are copies.

    Raises:
        ValueError: a part is missing, of another length than the header says, or of another version;
            or all copies of the header are damaged.
    """
    if missing := [key for key in KEYS if key not in state]:
        raise ValueError(f"a protected state without {', '.join(missing)}; it is not whole.")
    described = decode_header(state[HEADER].cpu().numpy().tobytes())
    copies = {key: state[key].detach().cpu().contiguous().clone() for key in KEYS}
    for key, size, dtype in (
        (PAYLOAD, described.placed.size, torch.int8),
        (FLOATS, described.num_floats, torch.float32),
        (SPARE, spare_bytes(described.num_floats, described.method), torch.uint8),
    ):
        tensor = copies[key]
        if tensor.dtype != dtype or tensor.shape != (size,):
            raise ValueError(
                f"{key}: {tensor.numel():,} numbers of {tensor.dtype}, the header says {size:,} of {dtype}; "
                "it is cut short, or of another model."
            )
    others = {name: tensor for name, tensor in state.items() if name not in KEYS}
    return ProtectedForm(
        described.placed,
        described.scales,
        described.bare,
        copies[PAYLOAD],
        copies[FLOATS],
        described.method,
        copies[SPARE],
        others,
    )


def encode_header(form: ProtectedForm) -> bytes:
    """Return the header: three copies, each of JSON and its CRC-32, little-endian."""
    text = json.dumps(
        {
            "version": VERSION,
            "layout": form.placed.layout,
            "weights": [[s.name, list(s.layers), list(s.shape)] for s in form.placed.segments],
            "scales": [[place.name, list(place.shape)] for place in form.scales],
            "floats": [[place.name, list(place.shape)] for place in form.bare],
            "method": form.method,
        },
        separators=(",", ":"),
    ).encode()
    return (text + zlib.crc32(text).to_bytes(_CHECKSUM, "little")) * _COPIES


def decode_header(copies: bytes) -> Description:
    """Return what a header says: any copy that is whole, else the majority of the three, bit by bit.

    Raises:
        ValueError: no copy is whole, nor is their majority; or it is of another version.
    """
    length = len(copies) // _COPIES
    parts = [copies[i * length : (i + 1) * length] for i in range(_COPIES)]
    for part in (*parts, _majority(parts)):
        text, checksum = part[:-_CHECKSUM], part[-_CHECKSUM:]
        if len(part) > _CHECKSUM and zlib.crc32(text).to_bytes(_CHECKSUM, "little") == checksum:
            return _description(json.loads(text))
    raise ValueError("the header is damaged in all its copies; give another file.")


def _majority(parts: Sequence[bytes]) -> bytes:
    one, two, three = (int.from_bytes(part, "little") for part in parts)
    return (one & two | one & three | two & three).to_bytes(len(parts[0]), "little")


def _description(header: Mapping[str, Any]) -> Description:
    if header["version"] != VERSION:
        raise ValueError(
            f"a protected state of version {header['version']}; this fulmen reads version {VERSION}."
        )
    segments: tuple[Segment, ...] = segments_of(
        header["layout"], [(name, tuple(layers), tuple(shape)) for name, layers, shape in header["weights"]]
    )
    places, offset = [], 0
    for name, shape in (*header["scales"], *header["floats"]):
        place = Place(name, tuple(shape), offset)
        places.append(place)
        offset = place.span.stop
    split = len(header["scales"])
    placed = Placement(header["layout"], segments)
    return Description(placed, tuple(places[:split]), tuple(places[split:]), header["method"])
