"""One pass, several threads: compiled passes let go of the interpreter, so plain threads do."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """Cuts a range into as many pieces as there are threads.

    Args:
        number: How many, 1 or more. One works in the calling thread.
    """

    def __init__(self, number: int = 1) -> None:
        self._number = number
        self._pool = ThreadPoolExecutor(number, thread_name_prefix="sampling") if number > 1 else None

    def over(self, total: int, work: Callable[[int, int], T]) -> list[T]:
        """Call ``work(first, stop)`` for each piece of ``range(total)`` and return the results, in order."""
        if self._pool is None:
            return [work(0, total)]
        cuts = [total * piece // self._number for piece in range(self._number + 1)]
        return list(self._pool.map(work, cuts[:-1], cuts[1:]))
