"""How rows reach the other ranks of a group: one interface for shared memory, gloo and NCCL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class Transport(Protocol):
    """Moves rows between the P ranks of a group.

    Every method is collective: all ranks of the group call the same ones in the same order, also those that
    have nothing to send. A transport serves one stream of calls; what runs at the same time, as planning does
    beside computing, has one of its own.

    Attributes:
        rank: This process's place in the group, from 0.
        size: P.
    """

    rank: int
    size: int

    def exchange(
        self,
        rows: Tensor,
        index: Tensor | None,
        send_counts: Sequence[int],
        out: Tensor,
        recv_counts: Sequence[int],
    ) -> None:
        """Send ``rows[index]`` and receive the others' rows.

        Args:
            rows: (n, width) of any dtype, contiguous.
            index: int64 (sum of `send_counts`,), the rows to send: those for rank 0, those for rank 1, ...
                None: all, as they stand.
            send_counts: P numbers; none to oneself.
            out: (sum of `recv_counts`, width), contiguous; overwritten by the rows received, rank 0's first.
            recv_counts: P numbers, which the senders' `send_counts` match.

        Raises:
            ConnectionError: a rank is gone, or is out of step with this one.
        """
        ...

    def begin(
        self,
        rows: Tensor,
        index: Tensor | None,
        send_counts: Sequence[int],
        out: Tensor,
        recv_counts: Sequence[int],
    ) -> Callable[[], None]:
        """Begin what `exchange` does, and return what ends it.

        Until that has been called, once, `out` is not to be read, `rows` not to be written, and nothing else
        to be exchanged. What a rank computes in between, it does not spend waiting for the others.

        Raises:
            ConnectionError: as above, here or at the end.
        """
        ...

    def exchange_ids(
        self, ids: NDArray[np.int64], send_counts: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Send numbers of which the receivers do not know how many there are.

        Args:
            ids: int64 (sum of `send_counts`,): those for rank 0, those for rank 1, ...
            send_counts: int64 (P,); none to oneself.

        Returns:
            What the others sent, rank 0's first, and how many came from each, int64 (P,).

        Raises:
            ConnectionError: as above.
        """
        ...

    def close(self) -> None:
        """Let go of what the transport holds. Not collective; others that wait for this rank are told."""
        ...


class NoPeers:
    """The transport of a group of one: there is nobody to send to."""

    rank = 0
    size = 1

    def exchange(
        self,
        rows: Tensor,
        index: Tensor | None,
        send_counts: Sequence[int],
        out: Tensor,
        recv_counts: Sequence[int],
    ) -> None:
        """Do nothing; see `Transport`."""

    def begin(
        self,
        rows: Tensor,
        index: Tensor | None,
        send_counts: Sequence[int],
        out: Tensor,
        recv_counts: Sequence[int],
    ) -> Callable[[], None]:
        """Do nothing; see `Transport`."""
        return lambda: None

    def exchange_ids(
        self, ids: NDArray[np.int64], send_counts: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Receive nothing; see `Transport`."""
        return np.empty(0, np.int64), np.zeros(1, np.int64)

    def close(self) -> None:
        """Do nothing."""


def gather(transport: Transport, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what every rank gave, int64 (P, K), for ``numbers``, int64 (K,). Collective."""
    others = np.full(transport.size, len(numbers), np.int64)
    others[transport.rank] = 0
    received, _ = transport.exchange_ids(np.tile(numbers, transport.size - 1), others)
    return np.insert(received.reshape(transport.size - 1, len(numbers)), transport.rank, numbers, axis=0)
