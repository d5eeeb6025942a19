"""Rows within a host through shared memory, and between hosts by a collective."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fulmen_split_parallel.cooperative.collective import CollectiveTransport
from fulmen_split_parallel.cooperative.transport import Transport


class SeveralHostsTransport:
    """A transport of a group that stands on several hosts.

    Args:
        near: Between the ranks of this host; `NoPeers` where there is one.
        near_ranks: Their places in the group, in the order of `near`'s ranks.
        far: Between all ranks of the group.
    """

    def __init__(self, near: Transport, near_ranks: Sequence[int], far: CollectiveTransport) -> None:
        self.near, self.far = near, far
        self.rank, self.size = far.rank, far.size
        self.near_ranks = list(near_ranks)

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
        if index is None:
            index = torch.arange(sum(send_counts), device=rows.device)
        to_near, from_near = self._is_near(send_counts), self._is_near(recv_counts)
        near_in = rows.new_empty((int(from_near.sum()), rows.shape[1]))
        far_in = rows.new_empty((len(from_near) - len(near_in), rows.shape[1]))
        # The wires work while this host copies.
        far, near = self._far, self._near
        ended_far = self.far.begin(rows, index[~to_near], far(send_counts), far_in, far(recv_counts))
        ended_near = self.near.begin(rows, index[to_near], near(send_counts), near_in, near(recv_counts))

        def finish() -> None:
            ended_near()
            ended_far()
            out[from_near] = near_in
            out[~from_near] = far_in

        return finish

    def exchange_ids(
        self, ids: NDArray[np.int64], send_counts: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Send numbers of which the receivers do not know how many there are; see `Transport`."""
        # Counts and ids are few beside rows: one way for all of them.
        return self.far.exchange_ids(ids, send_counts)

    def close(self) -> None:
        """Let go of both ways."""
        self.near.close()
        self.far.close()

    def _is_near(self, counts: Sequence[int]) -> Tensor:
        """Return for each row, bool (sum of counts,), whether it goes to or comes from this host."""
        near = torch.zeros(self.size, dtype=torch.bool)
        near[self.near_ranks] = True
        return near.repeat_interleave(torch.tensor(counts))

    def _near(self, counts: Sequence[int]) -> list[int]:
        return [counts[rank] for rank in self.near_ranks]

    def _far(self, counts: Sequence[int]) -> list[int]:
        return [0 if rank in self.near_ranks else count for rank, count in enumerate(counts)]
