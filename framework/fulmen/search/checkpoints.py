"""The candidates' checkpoints on the disk: the front's are always kept, others while there is room."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from fulmen.study import Told

MB = 2**20


def prune(told: Sequence[Told], front: Sequence[Told], most_mb: float) -> list[int]:
    """Remove the oldest checkpoints that are not the front's until the rest fit; return whose they were.

    Args:
        told: All results, in the order of telling.
        front: Those that are kept whatever they take.
        most_mb: What all may take together, MB; the front's count.
    """
    sizes = {
        one.candidate.id: path.stat().st_size
        for one in told
        if (path := checkpoint_of(one)) is not None and path.is_file()
    }
    kept = {one.candidate.id for one in front}
    total, removed = sum(sizes.values()), []
    for one in told:
        if total <= most_mb * MB:
            break
        if one.candidate.id in sizes and one.candidate.id not in kept:
            path = checkpoint_of(one)
            assert path is not None
            shutil.rmtree(path.parent, ignore_errors=True)
            total -= sizes[one.candidate.id]
            removed.append(one.candidate.id)
    return removed


def checkpoint_of(told: Told) -> Path | None:
    """Return where a result's checkpoint is, or was; None if it never had one."""
    path = told.evaluation.artifacts.get("checkpoint")
    return None if path is None else Path(path)
