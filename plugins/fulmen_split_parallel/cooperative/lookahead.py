"""The next mini-batch is made while this one is computed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


class Lookahead:
    """One thread that makes things one at a time, in the order in which they were asked for.

    What it makes may be collective: as long as every rank asks for the same in the same order, they make it
    together, whatever else each of them does meanwhile. So it is exactly one thing that is made ahead: when
    one is taken, the next is begun.
    """

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        # A daemon: a process that fails must not wait for a thread that waits for another rank.
        self._thread = threading.Thread(target=self._work, name="fulmen-lookahead", daemon=True)
        self._thread.start()

    def each(self, items: Iterable[Item], make: Callable[[Item], Made]) -> Iterator[Made]:
        """Yield ``make(item)`` for each item, the next one begun when one is given out.

        An iterator that is left before its end has one thing in the making, which is then nobody's.
        """
        coming: Future[Made] | None = None
        for item in items:
            if coming is None:
                coming = self._begin(make, item)
                continue
            made = coming.result()
            coming = self._begin(make, item)
            yield made
        if coming is not None:
            yield coming.result()

    def close(self, patience: float = 10.0) -> None:
        """End the thread once it has made what was asked for, but do not wait for long."""
        self._asked.put(None)
        self._thread.join(patience)

    def _begin(self, make: Callable[[Item], Made], item: Item) -> Future[Made]:
        future: Future[Made] = Future()

        def work() -> None:
            try:
                future.set_result(make(item))
            except BaseException as error:
                future.set_exception(error)

        self._asked.put(work)
        return future

    def _work(self) -> None:
        while (work := self._asked.get()) is not None:
            work()
