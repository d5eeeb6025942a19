"""The commands ``fulmen zero_space_ecc ...``: look at a protected file, mend it, turn it into another."""

from __future__ import annotations

import io
import sys
from typing import Literal

import numpy as np
import torch

from fulmen import UserError, write_artifact
from fulmen_zero_space_ecc.protected import sidecar
from fulmen_zero_space_ecc.protected.file import read_form, read_sidecar
from fulmen_zero_space_ecc.protected.policies import Policy

_OUTCOME: dict[Policy, str] = {
    "leave": "mended in part",
    "golden": "mended",
    "mmse": "mended, blocks with two wrong bits estimated and not restored",
    "zero": "mended, blocks with two wrong bits set to zero and not restored",
    "raise": "mended",  # or refused before
}


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
    remedy = f"`fulmen zero_space_ecc repair {file}` mends it"
    if checked.mended.detected:
        remedy = (
            f"`fulmen zero_space_ecc repair {file} --policy golden --golden COPY` mends all, "
            "`--policy mmse` estimates what two wrong bits hide"
        )
    sys.stdout.write(f"wrong: {_told(checked)}; {remedy}\n")
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
    if golden is not None and policy != "golden":
        raise UserError(
            f"repair: --golden is read by --policy golden alone, the policy is {policy!r}; give both."
        )
    checked = read_sidecar(file, policy, read_form(golden) if golden else None)
    if checked.is_clean:
        sys.stdout.write(f"{file}: every bit is right\n")
        return 0
    write_artifact(file, sidecar.dumps(checked.form))
    left = policy == "leave" and checked.mended.detected > 0
    remedy = (
        "; the latter are left as they are: --policy golden --golden COPY, or --policy mmse" if left else ""
    )
    outcome = _OUTCOME[policy] if checked.mended.detected else "mended"
    sys.stdout.write(f"{file}: {outcome}: {_told(checked)}{remedy}\n")
    return 1 if left else 0


def selftest(file: str, flips: int = 200, seed: int = 0) -> int:
    """Flip bits in copies of a file, one at a time: who notices, who repairs? The file stays as it is.

    Args:
        file: A side-car.
        flips: How many bits are tried, anywhere in the side-car, and in the weights of a file that
            ``torch.save`` writes with the same weights.
        seed: Fixes which.

    Returns:
        0 if every copy of the side-car was repaired bit for bit, 1 if not.
    """
    if flips < 1:
        raise UserError(f"selftest: flips is {flips}; 1 or more is needed.")
    form = read_form(file)
    rng = np.random.default_rng(seed)
    plain = _saved_by_torch(form.payload)
    first = 8 * plain.index(form.payload.numpy().tobytes())
    wrong = repaired = 0
    for bit in first + rng.integers(0, 8 * form.placed.numel, flips):
        loaded = torch.load(io.BytesIO(_flipped(plain, bit)), weights_only=True)
        wrong += not torch.equal(loaded["weights"], form.payload)
    whole = sidecar.dumps(form)
    for bit in rng.integers(0, 8 * len(whole), flips):
        repaired += sidecar.dumps(sidecar.loads(_flipped(whole, bit)).form) == whole
    sys.stdout.write(
        f"one flipped bit, {flips} times each:\n"
        f"  silently wrong: {wrong} of {flips} in a file of torch.save\n"
        f"  repaired:       {repaired} of {flips} in {file}\n"
    )
    return 0 if repaired == flips else 1


def export(file: str, to: str, form: Literal["float", "int8"] = "float") -> int:
    """Save what a side-car stands for without protection, as ``{"state_dict": ...}`` like a checkpoint.

    Args:
        file: The side-car.
        to: Where: a file for ``torch.load(to, weights_only=True)["state_dict"]``.
        form: ``float`` (weights times scales, for any model) or ``int8`` (weights as they are, with scales).
    """
    protected = read_form(file)
    state = protected.state_dict() if form == "float" else protected.integer_state_dict()
    write_artifact(to, lambda stream: torch.save({"state_dict": state}, stream))
    sys.stdout.write(f"{to}: {len(state)} tensors\n")
    return 0


def _saved_by_torch(weights: torch.Tensor) -> bytes:
    buffer = io.BytesIO()
    torch.save({"weights": weights}, buffer)
    return buffer.getvalue()


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _told(checked: sidecar.Checked) -> str:
    parts = (
        (checked.mended.corrected, "single wrong bit", "single wrong bits"),
        (checked.header_bits, "in the header or between the parts", "in the header or between the parts"),
        (checked.mended.detected, "block with two wrong bits", "blocks with two wrong bits"),
    )
    return ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in parts if count)
