"""The commands ``fulmen zero_space_ecc ...``: look at a protected file, mend it, turn it into another."""

from __future__ import annotations

import sys
from typing import Literal

import torch

from fulmen import UserError, write_artifact
from fulmen_zero_space_ecc import sidecar
from fulmen_zero_space_ecc.policies import Policy
from fulmen_zero_space_ecc.protected_file import read_form, read_sidecar


def verify(file: str) -> int:
    """Look for wrong bits in a side-car file; change nothing.

    Args:
        file: The side-car.

    Returns:
        0 if every bit is right, 1 if some are wrong.
    """
    checked = read_sidecar(file)
    placed = checked.form.placed
    sys.stdout.write(
        f"{file}: {placed.numel:,} weights in {len(placed.segments)} layers, layout {placed.layout}; "
        f"{checked.form.extra_bytes} extra bytes\n"
    )
    if checked.is_clean:
        sys.stdout.write("every bit is right\n")
        return 0
    sys.stdout.write(f"wrong: {_told(checked)}; `fulmen zero_space_ecc repair {file}` mends it\n")
    return 1


def repair(file: str, policy: Policy = "leave", golden: str | None = None) -> int:
    """Mend a side-car file in place, whole or not at all.

    Args:
        file: The side-car.
        policy: What becomes of blocks with two wrong bits: leave, mmse, golden, raise, zero.
        golden: Another side-car of the same model, which ``golden`` reads from.

    Returns:
        0 if the file is right now, 1 if blocks with two wrong bits were left.
    """
    if policy == "golden" and golden is None:
        raise UserError("repair: policy is 'golden'; give the side-car that it reads from: --golden FILE.")
    checked = read_sidecar(file, policy, read_form(golden) if golden else None)
    if checked.is_clean:
        sys.stdout.write(f"{file}: every bit is right\n")
        return 0
    left = checked.mended.detected if policy == "leave" else 0
    write_artifact(file, sidecar.dumps(checked.form))
    sys.stdout.write(f"{file}: mended: {_told(checked)}{f'; {left} left as they are' if left else ''}\n")
    return 1 if left else 0


def export(file: str, to: str, form: Literal["float", "int8"] = "float") -> int:
    """Save what a side-car stands for as a plain state dict.

    Args:
        file: The side-car.
        to: Where: a file for ``torch.load(..., weights_only=True)``.
        form: ``float`` (weights times scales, for any model) or ``int8`` (weights as they are, with scales).
    """
    protected = read_form(file)
    state = protected.state_dict() if form == "float" else protected.integer_state_dict()
    write_artifact(to, lambda stream: torch.save({"state_dict": state}, stream))
    sys.stdout.write(f"{to}: {len(state)} tensors\n")
    return 0


def _told(checked: sidecar.Checked) -> str:
    parts = {
        "bits corrected": checked.mended.corrected,
        "bits of the header or between the parts": checked.header_bits,
        "blocks with two wrong bits": checked.mended.detected,
    }
    return ", ".join(f"{count} {what}" for what, count in parts.items() if count)
