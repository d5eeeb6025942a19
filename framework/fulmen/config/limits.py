"""Numbers that Lightning takes and then fails on, or worse: refused before anything is built."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

# On a CPU each device is a process; a few per core are of use to try things out, a thousand to nobody.
MOST_PROCESSES = max(16, 4 * (os.cpu_count() or 1))

LIMITS: dict[str, tuple[int, int | None]] = {
    "seed_everything": (0, 2**32 - 1),
    "trainer.devices": (-1, MOST_PROCESSES),
    "trainer.num_nodes": (1, None),
    "trainer.accumulate_grad_batches": (1, None),
    "trainer.check_val_every_n_epoch": (1, None),
}


def beyond(config: Any) -> Iterator[tuple[str, int, str]]:
    """Yield (key, number, what is expected) for each number out of range in the parsed config of a verb."""
    for key, (least, most) in LIMITS.items():
        number = _number(config.get(key))
        if number is not None and (number < least or (most is not None and number > most)):
            yield key, number, f"{least} or more" if most is None else f"{least} to {most}"


def _number(value: Any) -> int | None:
    """Return a number; ``devices`` takes text too, such as ``2`` or ``auto``."""
    if isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
