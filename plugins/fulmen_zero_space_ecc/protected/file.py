"""Files of protected models: side-cars read, and checkpoints where Lightning cannot decode them."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import torch

import fulmen
from fulmen.errors import CheckpointError, FulmenError
from fulmen_zero_space_ecc.protected import sidecar
from fulmen_zero_space_ecc.protected.form import ProtectedForm
from fulmen_zero_space_ecc.protected.policies import Policy, UncorrectableError


def read_sidecar(
    path: str | os.PathLike[str], policy: Policy = "leave", golden: ProtectedForm | None = None
) -> sidecar.Checked:
    """Read a side-car file, mended as far as it can be.

    Raises:
        CheckpointError: the file is missing, no side-car, or damaged beyond repair.
        FulmenError: two bits of a block are wrong and the policy is ``raise``.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error.strerror}); give the path of a side-car file."
        ) from error
    try:
        return sidecar.loads(data, policy, golden)
    except UncorrectableError as error:
        raise FulmenError(
            f"{path}: {error} The policy is 'raise': it was left as it is; a copy mends it "
            "(--policy golden --golden COPY), or mmse estimates what was there."
        ) from error
    except ValueError as error:
        if data[:2] == b"PK":
            raise CheckpointError(
                f"{path}: this is a checkpoint, not a side-car; give the file beside it that ends in "
                f"{sidecar.SUFFIX}."
            ) from error
        raise CheckpointError(
            f"{path}: {error} Give a file that zero_space_ecc saved ({sidecar.SUFFIX})."
        ) from error


def read_form(path: str | os.PathLike[str]) -> ProtectedForm:
    """Return the protected form that a side-car holds.

    Raises:
        CheckpointError: as `read_sidecar`, or it has blocks with two wrong bits: no copy to trust.
    """
    checked = read_sidecar(path)
    if checked.mended.detected:
        raise CheckpointError(
            f"{path}: {checked.mended.detected} blocks have two wrong bits: no copy to trust; give another."
        )
    return checked.form


def load_from_checkpoint(model_class: Any, path: str | os.PathLike[str], **options: Any) -> Any:
    """Return a LightningModule with a checkpoint's weights, as ``model_class.load_from_checkpoint`` does.

    Lightning's own method knows no protected form; this one takes protected checkpoints too.

    Args:
        model_class: The LightningModule's class.
        path: The checkpoint.
        **options: What the class takes, beside or in place of the hyperparameters saved.

    Raises:
        CheckpointError: as `fulmen.load_checkpoint`.
    """
    buffer = io.BytesIO()
    torch.save(fulmen.load_checkpoint(path), buffer)
    buffer.seek(0)
    return model_class.load_from_checkpoint(buffer, weights_only=True, **options)
