"""Which rows go where, and where those that come belong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Route:
    """One exchange of rows between the ranks of a group, the same for rows of any width.

    Attributes:
        rows_in: Rows that this rank holds.
        rows_out: Rows that it ends with.
        send: int64, the held rows to send: those for rank 0, those for rank 1, ...
        send_counts: P numbers, none to itself.
        recv_counts: P numbers, none from itself.
        kept: int64 (K,), the held rows that it keeps; None: K in a row, from `kept_start` on.
        kept_to: int64 (K,), where these belong; None: to the first K places, and the rows received after
            them.
        received_to: int64 (sum of `recv_counts`,), where the rows received belong; None as `kept_to`.
        num_kept: K.
        kept_start: The first of them.
    """

    rows_in: int
    rows_out: int
    send: Tensor
    send_counts: tuple[int, ...]
    recv_counts: tuple[int, ...]
    num_kept: int
    kept: Tensor | None = None
    kept_to: Tensor | None = None
    received_to: Tensor | None = None
    kept_start: int = 0

    @property
    def kept_rows(self) -> slice:
        """The held rows that it keeps, where these are in a row."""
        return slice(self.kept_start, self.kept_start + self.num_kept)

    @property
    def num_received(self) -> int:
        """Rows that come from other ranks."""
        return self.rows_out - self.num_kept

    def to(self, device: torch.device | str) -> Self:
        """Return the same route with its indices on a device."""
        names = ("send", "kept", "kept_to", "received_to")
        tensors = {name: getattr(self, name) for name in names}
        moved = {name: tensor.to(device) for name, tensor in tensors.items() if tensor is not None}
        return replace(self, **moved)


def home_route(
    seeds: NDArray[np.int64], owners: NDArray[np.integer], rank: int, size: int
) -> tuple[Route, NDArray[np.int64]]:
    """Bring the outputs of a mini-batch's seeds to ranks that have equally many of them.

    Seed i is at home at rank i % P, whoever owns it: a loss that is a mean over a rank's own seeds is then
    right.

    Args:
        seeds: int64 (N,), the seeds of the mini-batch, the same on all ranks.
        owners: int (N,), who owns each.
        rank: This one.
        size: P.

    Returns:
        The route from the seeds that this rank owns, in the order of `seeds`, to those at home here, in that
        order; and the latter, int64.
    """
    homes = np.arange(len(seeds)) % size
    owned, here = np.flatnonzero(owners == rank), np.flatnonzero(homes == rank)
    to, of = homes[owned], owners[here].astype(np.int64)
    leave = np.flatnonzero(to != rank)
    leave = leave[np.argsort(to[leave], kind="stable")]
    arrive = np.flatnonzero(of != rank)
    arrive = arrive[np.argsort(of[arrive], kind="stable")]
    kept, kept_to = np.flatnonzero(to == rank), np.flatnonzero(of == rank)
    route = Route(
        rows_in=len(owned),
        rows_out=len(here),
        send=torch.from_numpy(leave),
        send_counts=tuple(np.bincount(to[leave], minlength=size).tolist()),
        recv_counts=tuple(np.bincount(of[arrive], minlength=size).tolist()),
        num_kept=len(kept),
        kept=torch.from_numpy(kept),
        kept_to=torch.from_numpy(kept_to),
        received_to=torch.from_numpy(arrive),
    )
    return route, seeds[here]
