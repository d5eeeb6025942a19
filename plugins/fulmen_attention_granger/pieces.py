"""The work of an analysis in pieces that any process can take: the series that all of them share."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import fulmen
from fulmen.errors import DataError
from fulmen_attention_granger.member import run_members
from fulmen_attention_granger.recordings import Recordings
from fulmen_attention_granger.windows import canonical_order, standardised

if TYPE_CHECKING:
    import torch


def prepared(recordings: Recordings) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the z-scored trials in the order of the variables' own, and that order."""
    trials = standardised(recordings.trials)
    order = canonical_order(trials)
    return [np.ascontiguousarray(trial[:, order]) for trial in trials], order


def device_for(device: torch.device) -> str:
    """Return where networks are trained and read for a Trainer that computes on a device."""
    return str(device) if device.type == "cuda" else "cpu"


@dataclass(frozen=True)
class Series:
    """What the pieces of an analysis share: z-scored trials, and the device to work on."""

    trials: list[np.ndarray]
    device: str


def run_piece(series: Series, item: dict[str, Any]) -> list[dict[str, Any]]:
    """Run one piece of ``context.map``."""
    return run_members(series.trials, item, series.device)


def share(path: Path, trials: Sequence[np.ndarray]) -> str:
    """Write the trials for the pieces; return the digest that they are known by."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{f"trial{number}": trial for number, trial in enumerate(trials)})
    content = buffer.getvalue()
    fulmen.write_artifact(path, content)
    return _digest(content)


def shared_series(path: str, digest: str, device: str) -> Series:
    """Return the trials that an analysis left for its pieces, for work on a device.

    Raises:
        DataError: the file is not the one that the analysis wrote.
    """
    content = Path(path).read_bytes()
    if _digest(content) != digest:
        raise DataError(f"{path}: changed since the analysis began; start it anew with --fresh.")
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return Series([file[f"trial{number}"] for number in range(len(file.files))], device)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
