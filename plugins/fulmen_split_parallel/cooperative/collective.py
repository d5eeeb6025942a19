"""Rows between ranks by torch.distributed: gloo on CPUs and between hosts, NCCL between GPUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor


class CollectiveTransport:
    """A transport over a process group of its own, so that it cannot meet another's collectives half-way.

    Args:
        group: The process group, of ``torch.distributed.new_group``.
        device: Where the group's tensors have to lie; rows elsewhere are copied there and back.
    """

    def __init__(self, group: dist.ProcessGroup, device: torch.device | str = "cpu") -> None:
        self.group = group
        self.device = torch.device(device)
        self.rank, self.size = group.rank(), group.size()

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
        sent = (rows if index is None else rows.index_select(0, index)).to(self.device)
        received = out if out.device == self.device else torch.empty_like(out, device=self.device)
        # Not the list form of all_to_all: gloo refuses uneven sizes there.
        work = dist.all_to_all_single(
            received, sent, list(recv_counts), list(send_counts), group=self.group, async_op=True
        )
        assert work is not None
        under_way = work, sent  # which gloo reads until it is done

        def finish() -> None:
            under_way[0].wait()
            if received is not out:
                out.copy_(received)

        return finish

    def exchange_ids(
        self, ids: NDArray[np.int64], send_counts: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Send numbers of which the receivers do not know how many there are; see `Transport`."""
        counts = torch.empty(self.size, dtype=torch.int64, device=self.device)
        dist.all_to_all_single(counts, torch.from_numpy(send_counts).to(self.device), group=self.group)
        recv_counts = counts.tolist()
        received = torch.empty(sum(recv_counts), dtype=torch.int64, device=self.device)
        sent = torch.from_numpy(ids).to(self.device)
        dist.all_to_all_single(received, sent, recv_counts, send_counts.tolist(), group=self.group)
        return received.cpu().numpy(), np.array(recv_counts, np.int64)

    def close(self) -> None:
        """Do nothing: the process groups go with the run."""
