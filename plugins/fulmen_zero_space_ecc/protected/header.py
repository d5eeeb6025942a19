"""What lies where in a protected form, as bytes that survive faults: three copies, each with a checksum.

One copy, little-endian, padded with zeros to a multiple of 64 bytes:

===========  =====================================================================
bytes 0-5    the letters ``ZSECC`` and a zero
bytes 6-7    the version of the format, 1
bytes 8-11   the length of the text
bytes 12-15  CRC-32 of bytes 0-11 and the text
bytes 16-    the text: JSON, compressed with zlib
===========  =====================================================================

Whichever copy has a right checksum is believed; if none has, the majority of the three, bit by bit.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fulmen_zero_space_ecc.code.floats import Method, spare_bytes
from fulmen_zero_space_ecc.protected.form import Place, ProtectedForm
from fulmen_zero_space_ecc.weights.placement import ALIGNMENT, Placement, segments_of

MAGIC, VERSION, COPIES = b"ZSECC\0", 1, 3
_START = struct.Struct("<6sHII")
_INTEGERS = {
    str(t)[6:]: t for t in (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool)
}
_LONGEST = 1 << 22  # bytes of a copy; no model's names take more


@dataclass(frozen=True)
class Description:
    """What a header says: the plan of the arena, the places of all floats, and what is no float.

    Attributes:
        placed: The plan of the arena.
        scales: The places of the scales, and ``bare``, those of all other floats.
        method: The code of the floats.
        others: Integer tensors by name.
        aliases: Further names of shared tensors.
    """

    placed: Placement
    scales: tuple[Place, ...]
    bare: tuple[Place, ...]
    method: Method
    others: dict[str, Tensor]
    aliases: dict[str, str]

    @property
    def num_floats(self) -> int:
        """The length of the buffer of floats."""
        used = max((place.span.stop for place in (*self.scales, *self.bare)), default=0)
        return used + used % 2

    @property
    def num_spare(self) -> int:
        """The bytes beside it."""
        return spare_bytes(self.num_floats, self.method)

    def form(self, payload: Tensor, floats: Tensor, spare: Tensor) -> ProtectedForm:
        """Return the protected form of these bytes."""
        return ProtectedForm(
            self.placed,
            self.scales,
            self.bare,
            payload,
            floats,
            self.method,
            spare,
            self.others,
            self.aliases,
        )


def encode_header(form: ProtectedForm) -> bytes:
    """Return the three copies of a form's header."""
    text = zlib.compress(json.dumps(_content(form), separators=(",", ":")).encode(), 9)
    start = _START.pack(MAGIC, VERSION, len(text), 0)[:-4]
    copy = start + struct.pack("<I", zlib.crc32(text, zlib.crc32(start))) + text
    return (copy + bytes(-len(copy) % ALIGNMENT)) * COPIES


def decode_header(data: bytes) -> tuple[Description, int]:
    """Return what a header says, and how many bytes its copies take together.

    Args:
        data: What begins with the three copies, and may go on.

    Raises:
        ValueError: this is no header, another version, or damaged beyond the vote.
    """
    for length in _lengths(data):
        copies = [data[k * length : (k + 1) * length] for k in range(COPIES)]
        for copy in (*copies, _majority(copies)):
            if (text := _text(copy)) is not None:
                return _description(json.loads(zlib.decompress(text))), COPIES * length
    raise ValueError("no header of a protected form, or all its copies are damaged.")


def _lengths(data: bytes) -> list[int]:
    """Return the lengths that one copy may have: what the first one says, else all that are possible."""
    said = []
    if data.startswith(MAGIC) and len(data) >= _START.size:
        said = [_padded(_START.size + _START.unpack_from(data)[2])]
    possible = range(ALIGNMENT, min(len(data) // COPIES, _LONGEST) + 1, ALIGNMENT)
    # A later copy begins as the first one does, but for a flip or two.
    likely = [n for n in possible if sum(_near(data, k * n) for k in range(COPIES)) >= COPIES - 1]
    return [n for n in said if COPIES * n <= len(data)] + likely


def _near(data: bytes, at: int) -> bool:
    found = int.from_bytes(data[at : at + len(MAGIC)], "little") ^ int.from_bytes(MAGIC, "little")
    return found.bit_count() <= 8


def _text(copy: bytes) -> bytes | None:
    """Return the text of a copy whose checksum is right."""
    if len(copy) < _START.size:
        return None
    magic, version, length, checksum = _START.unpack_from(copy)
    text = copy[_START.size : _START.size + length]
    if magic != MAGIC or zlib.crc32(text, zlib.crc32(copy[: _START.size - 4])) != checksum:
        return None
    if version != VERSION:
        raise ValueError(f"a protected form of version {version}; this fulmen reads version {VERSION}.")
    return text


def _majority(copies: list[bytes]) -> bytes:
    one, two, three = (int.from_bytes(copy, "little") for copy in copies)
    return (one & two | one & three | two & three).to_bytes(len(copies[0]), "little")


def _padded(size: int) -> int:
    return size + -size % ALIGNMENT


def _content(form: ProtectedForm) -> dict[str, Any]:
    return {
        "layout": form.placed.layout,
        "weights": [[s.name, list(s.layers), list(s.shape)] for s in form.placed.segments],
        "scales": [[place.name, list(place.shape)] for place in form.scales],
        "floats": [[place.name, list(place.shape)] for place in form.bare],
        "method": form.method,
        "others": [
            [name, str(t.dtype)[6:], list(t.shape), t.flatten().tolist()] for name, t in form.others.items()
        ],
        "aliases": form.aliases,
    }


def _description(content: Mapping[str, Any]) -> Description:
    segments = segments_of(
        content["layout"], [(name, tuple(layers), tuple(shape)) for name, layers, shape in content["weights"]]
    )
    places, offset = [], 0
    for name, shape in (*content["scales"], *content["floats"]):
        places.append(Place(name, tuple(shape), offset))
        offset = places[-1].span.stop
    split = len(content["scales"])
    return Description(
        Placement(content["layout"], segments),
        tuple(places[:split]),
        tuple(places[split:]),
        content["method"],
        {n: torch.tensor(v, dtype=_INTEGERS[d]).view(s) for n, d, s, v in content["others"]},
        content["aliases"],
    )
