"""The end of a command: the ranks that it started leave after their verb, and may still fail."""

from __future__ import annotations

import time
from subprocess import Popen, TimeoutExpired

from lightning.pytorch import Trainer

from fulmen.errors import RankError
from fulmen.ranks.processes import ProcessId


def await_ranks(trainer: Trainer, patience: float = 60.0) -> None:
    """Wait for the processes that a Trainer started, which Lightning forgets once its own part is done.

    Args:
        trainer: Any Trainer; without processes of its own there is nothing to wait for.
        patience: Seconds until those that are still there are ended.

    Raises:
        RankError: one failed after its verb, or had to be ended. Names the rank.
    """
    children: list[Popen[bytes]] = getattr(trainer.strategy.launcher, "procs", None) or []
    deadline = time.monotonic() + patience
    complaints = []
    for rank, child in enumerate(children, trainer.global_rank + 1):
        try:
            status = child.wait(max(deadline - time.monotonic(), 0))
        except TimeoutExpired:
            ProcessId.of(child.pid).kill_tree()
            complaints.append(
                f"rank {rank} (pid {child.pid}) was still there after {patience:.0f} s and was ended"
            )
            continue
        if status:
            complaints.append(f"rank {rank} (pid {child.pid}) ended with status {status}")
    if complaints:
        raise RankError(f"{'; '.join(complaints)}, after rank 0 was done; what it said stands above.")
