"""What may happen to long work, made to happen while an act plays."""

from __future__ import annotations

import contextlib
import sqlite3
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
        What happened, for people.
    """
    while _runs(search):
        time.sleep(0.1)
        if (told := _results(since)) < RESULTS:
            continue
        with contextlib.suppress(psutil.NoSuchProcess):  # processes come and go while one looks
            workers = [worker for child in search.children() for worker in child.children()]
            if workers:
                workers[-1].kill()
                return f"kill -9 {workers[-1].pid}: one of its two workers, after {told} results"
    return "no worker was killed: the search ended before"


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _results(since: float) -> int:
    for path in RUNS.glob("search*/study.sqlite"):
        with contextlib.suppress(UserError, OSError, sqlite3.Error):  # it is only being made
            if path.stat().st_mtime >= since:
                with Study.read(path.parent) as study:
                    return len(study.told())
    return 0
