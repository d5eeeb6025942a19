"""Rows between the ranks of one host through shared memory: one copy in, one copy out, no system call."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fulmen_split_parallel.cooperative.fences import spin_until
from fulmen_split_parallel.cooperative.outbox import LEFT, READY, Address, Outbox, Window
from fulmen_split_parallel.cooperative.peers import Patience
from fulmen_split_parallel.sampling.feature_rows import copy_rows

_SPINS = 2_000  # some 20 microseconds: longer, and a rank that waits takes the core of the one it waits for
# Seconds of a wait, and how long a rank then sleeps before it looks again; 0: it only lets others of its core
# go first. Ranks mostly wait for each other for less than a millisecond, a dozen times in a step.
_NAPS = ((0.001, 0.0), (0.02, 50e-6), (float("inf"), 500e-6))


class SharedMemoryTransport:
    """A transport between processes of one host (or threads of one process).

    Args:
        outbox: This rank's.
        rank: This rank's place in the group.
        addresses: Where each rank's outbox is, this one's included.
        names: What errors call each rank; by default ``rank 0`` and so on.
        timeout: Seconds for which a rank that lives is waited for.
    """

    def __init__(
        self,
        outbox: Outbox,
        rank: int,
        addresses: Sequence[Address],
        names: Sequence[str] | None = None,
        timeout: float = 1800.0,
    ) -> None:
        self.rank, self.size = rank, len(addresses)
        self.names = names or [f"rank {other}" for other in range(self.size)]
        self.timeout = timeout
        self._outbox = outbox
        self._windows = {
            other: Window(self.size, address) for other, address in enumerate(addresses) if other != rank
        }
        self._exchange = 0

    def exchange(
        self,
        rows: Tensor,
        index: Tensor | None,
        send_counts: Sequence[int],
        out: Tensor,
        recv_counts: Sequence[int],
    ) -> None:
        """Send ``rows[index]`` and receive the others' rows; see `Transport`."""
        self.begin(rows, index, send_counts, out, recv_counts)()

    def begin(
        self,
        rows: Tensor,
        index: Tensor | None,
        send_counts: Sequence[int],
        out: Tensor,
        recv_counts: Sequence[int],
    ) -> Callable[[], None]:
        """Begin an exchange and return what ends it; see `Transport`."""
        row_bytes = rows.shape[1] * rows.element_size()
        count = sum(send_counts)
        room = self._outbox.room((self._exchange + 1) % 2, count * row_bytes)
        if count and row_bytes:
            if index is not None and rows.device.type == "cpu":
                shown = room.view(count, row_bytes).numpy()
                copy_rows(rows.detach().view(torch.uint8).numpy(), index.numpy(), shown)
            else:
                chosen = rows if index is None else rows.index_select(0, index)
                room.view(rows.dtype).view(count, -1).copy_(chosen)
        self._announce(row_bytes, np.asarray(send_counts, np.int64))
        return lambda: self._receive(out, recv_counts, row_bytes)

    def _receive(self, out: Tensor, recv_counts: Sequence[int], row_bytes: int) -> None:
        start = 0
        for other, window in self._windows.items():
            received, count, other_bytes = self._wait(other, window)
            if count != recv_counts[other] or (count and other_bytes != row_bytes):
                raise ConnectionError(
                    f"shared memory: connection closed: {self.names[other]} sends {count} rows of "
                    f"{other_bytes} bytes where {recv_counts[other]} of {row_bytes} are expected: the ranks "
                    "are out of step. Every rank has to go through the same layers in the same order."
                )
            if count and row_bytes:
                out[start : start + count].copy_(received.view(out.dtype).view(count, -1))
            start += count

    def exchange_ids(
        self, ids: NDArray[np.int64], send_counts: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Send numbers of which the receivers do not know how many there are; see `Transport`."""
        self._outbox.room((self._exchange + 1) % 2, ids.nbytes).numpy()[:] = ids.view(np.uint8)
        self._announce(8, send_counts)
        parts, recv_counts = [], np.zeros(self.size, np.int64)
        for other, window in self._windows.items():
            received, recv_counts[other], _ = self._wait(other, window)
            parts.append(received.numpy().view(np.int64).copy())
        return np.concatenate(parts), recv_counts

    def close(self) -> None:
        """Tell the others that this rank has left."""
        self._outbox.close()

    def _announce(self, row_bytes: int, counts: NDArray[np.int64]) -> None:
        self._exchange += 1
        self._outbox.announce(self._exchange, row_bytes, counts)

    def _wait(self, other: int, window: Window) -> tuple[Tensor, int, int]:
        words, since = window.words, time.perf_counter()
        patience: Patience | None = None
        while not spin_until(words, READY, self._exchange, _SPINS):
            patience = patience or Patience(window.process, self.names[other], self.timeout)
            patience.check()
            if words[LEFT] and words[READY] < self._exchange:
                raise ConnectionError(
                    f"shared memory: connection closed by peer: {self.names[other]} (pid "
                    f"{window.process.pid}) has left the run."
                )
            waited = time.perf_counter() - since
            nap = next(nap for until, nap in _NAPS if waited < until)
            if nap:
                time.sleep(nap)
            else:
                os.sched_yield()
        return window.rows_for(self.rank, self._exchange)
