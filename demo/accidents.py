"""What may happen to long work, made to happen while an act plays."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from fulmen import UserError
from fulmen.study import Study

RESULTS = 3  # so many are there when it happens
RUNS = Path(__file__).resolve().parent.parent / "runs" / "demo"


def kill_a_worker(search: psutil.Process, since: float) -> str:
    """Kill one of a search's workers once there are results, as the kernel does when memory runs out.

    Args:
        search: The process of ``fulmen search``.
        since: When it began, seconds since the epoch: studies that are older are others'.

    Returns:
        What happened, for people; empty if the search ended before.
    """
    while search.is_running() and search.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.1)
        told = _results(since)
        workers = [worker for child in search.children() for worker in child.children()]
        if told >= RESULTS and workers:
            workers[-1].kill()
            return f"kill -9 {workers[-1].pid}: one of its two workers, after {told} results"
    return ""


def _results(since: float) -> int:
    for path in RUNS.glob("search*/study.sqlite"):
        if path.stat().st_mtime < since:
            continue
        try:
            with Study.read(path.parent) as study:
                return len(study.told())
        except (UserError, OSError):
            return 0  # it is only being made
    return 0
