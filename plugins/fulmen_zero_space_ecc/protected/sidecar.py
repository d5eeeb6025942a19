"""A model file that repairs itself: the header three times, then the protected form as it lies in memory.

Every part begins at a multiple of 64 bytes; what is between them is zero. In this order: three copies of
the header (header.py), the arena (int8), the floats (float32, little-endian), and what the code
of the floats keeps beside them (for ``mantissa`` nothing). One wrong bit in each block of the arena and
in each pair of floats is corrected, and any number in one copy of the header.

``torch.load`` takes a file with a wrong bit in its weights without a word; so this one does not need it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fulmen_zero_space_ecc.protected.form import Mended, ProtectedForm
from fulmen_zero_space_ecc.protected.header import Description, decode_header, encode_header
from fulmen_zero_space_ecc.protected.policies import Policy
from fulmen_zero_space_ecc.weights.placement import ALIGNMENT

SUFFIX = ".zsecc"


@dataclass(frozen=True)
class Checked:
    """What a side-car holds, and what was wrong with it.

    Attributes:
        form: The protected form, mended as far as it can be.
        mended: What was corrected and detected in weights and floats.
        header_bits: Wrong bits in the copies of the header and between the parts; all are put right.
    """

    form: ProtectedForm
    mended: Mended
    header_bits: int

    @property
    def is_clean(self) -> bool:
        """Whether every bit was right."""
        return self.mended == Mended() and not self.header_bits


def dumps(form: ProtectedForm) -> bytes:
    """Return the bytes of a side-car."""
    parts = [encode_header(form), *(t.numpy().tobytes() for t in (form.payload, form.floats, form.spare))]
    return b"".join(part + bytes(-len(part) % ALIGNMENT) for part in parts)


def loads(data: bytes, policy: Policy = "leave", golden: ProtectedForm | None = None) -> Checked:
    """Read a side-car, correct what can be corrected, and meet the rest by the policy (policies.py).

    Args:
        data: The file's bytes; not changed.
        policy: What becomes of blocks with two wrong bits.
        golden: Where ``golden`` reads; must be of the same model.

    Raises:
        ValueError: this is no side-car, of another version, or cut short; or golden is of another model.
        UncorrectableError: the policy is ``raise``.
    """
    described, start = decode_header(data)
    sizes = (described.placed.size, 4 * described.num_floats, described.num_spare)
    expected = start + sum(size + -size % ALIGNMENT for size in sizes)
    if len(data) != expected:
        raise ValueError(
            f"{len(data):,} bytes, the header says {expected:,}: cut short, or something was added."
        )
    form = _form(described, data, start, sizes)
    if golden is not None and golden.placed != form.placed:
        raise ValueError("the golden copy is of another model.")
    mended = form.scrub_(policy, golden)
    return Checked(form, mended, _wrong_bits_outside(form, data, start, sizes))


def _form(described: Description, data: bytes, start: int, sizes: tuple[int, int, int]) -> ProtectedForm:
    parts: list[Tensor] = []
    for size, dtype in zip(sizes, (np.int8, np.float32, np.uint8), strict=True):
        # A copy of its own: a bytes object is read-only, and begins where it likes.
        parts.append(torch.from_numpy(np.frombuffer(data[start : start + size], dtype).copy()))
        start += size + -size % ALIGNMENT
    return described.form(*parts)


def _wrong_bits_outside(form: ProtectedForm, data: bytes, start: int, sizes: tuple[int, int, int]) -> int:
    """Count what differs from a new file in header and gaps, which hold no weights."""
    right = dumps(form)
    spans = [slice(0, start)]
    for size in sizes:
        end = start + size
        start = end + -size % ALIGNMENT
        spans.append(slice(end, start))
    wrong = (np.frombuffer(right[span], np.uint8) ^ np.frombuffer(data[span], np.uint8) for span in spans)
    return sum(int(np.bitwise_count(part).sum()) for part in wrong)
