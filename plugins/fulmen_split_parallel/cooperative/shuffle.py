"""Rows along a route between ranks, differentiably (the shuffle of GSplit, arXiv:2303.13775)."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fulmen_split_parallel.cooperative.route import Route
from fulmen_split_parallel.cooperative.transport import Transport


class Shuffle:
    """An exchange of rows that networks call; its gradients go the same way back.

    Collective: all ranks of the group call it, and the backward pass through it, in the same order.

    Args:
        route: Which rows go where.
        transport: What takes them there.
        counts: Whose ``exchange_seconds`` grows by what it takes, waiting for others included.
        landing: (at least ``kept_start + rows_out``, width), memory that begins with the rows that are given:
            what is received is written behind those that are kept, and nothing is copied. None: there is
            none.
    """

    def __init__(
        self,
        route: Route,
        transport: Transport,
        counts: dict[str, float] | None = None,
        landing: Tensor | None = None,
    ) -> None:
        self.route, self.transport = route, transport
        self.counts = {"exchange_seconds": 0.0} if counts is None else counts
        self.landing = landing

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the rows that this rank needs, (rows_out, ...), for those that it holds, (rows_in, ...)."""
        if len(rows) != self.route.rows_in:
            raise ValueError(
                f"{len(rows)} rows to exchange where the layer below has {self.route.rows_in} destinations; "
                "give exchange the output of the layer below (skipped rows: their first num_destinations)."
            )
        if self.transport.size == 1:
            return rows
        if self.landing is not None and not rows.requires_grad and _begins(self.landing, rows):
            with self.timed():
                return _land(self.landing, self.route, self.transport)
        width = math.prod(rows.shape[1:])  # reshape cannot tell it where there are no rows
        flat = rows.reshape(len(rows), width)
        exchanged: Tensor = _Shuffle.apply(flat, self)  # type: ignore[no-untyped-call]
        return exchanged.reshape(self.route.rows_out, *rows.shape[1:])

    def to(self, device: torch.device | str) -> Shuffle:
        """Return the same exchange with its indices on a device."""
        return Shuffle(self.route.to(device), self.transport, self.counts)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add what is done within to ``exchange_seconds``."""
        started = time.perf_counter()
        yield
        self.counts["exchange_seconds"] += time.perf_counter() - started


class _Shuffle(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, shuffle: Shuffle) -> Tensor:
        ctx.shuffle = shuffle
        with shuffle.timed():
            return send_along(rows.contiguous(), shuffle.route, shuffle.transport)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        # Only where it is needed: torch does not come here for features, of which nobody asks a gradient.
        shuffle: Shuffle = ctx.shuffle
        with shuffle.timed():
            return return_along(gradient.contiguous(), shuffle.route, shuffle.transport), None


def _begins(memory: Tensor, rows: Tensor) -> bool:
    """Whether rows are the beginning of some memory, and not, say, their copy in another precision."""
    alike = rows.dtype == memory.dtype and rows.shape[1:] == memory.shape[1:]
    return alike and rows.data_ptr() == memory.data_ptr() and rows.is_contiguous()


def _land(memory: Tensor, route: Route, transport: Transport) -> Tensor:
    """Receive rows behind those that are kept; what is returned is a part of the memory."""
    end = route.kept_start + route.rows_out
    received = memory[route.kept_rows.stop : end]
    transport.exchange(memory[: route.rows_in], route.send, route.send_counts, received, route.recv_counts)
    return memory[route.kept_start : end]


def send_along(rows: Tensor, route: Route, transport: Transport) -> Tensor:
    """Return (rows_out, width) for ``rows``, (rows_in, width)."""
    out = rows.new_empty((route.rows_out, rows.shape[1]))
    if route.received_to is None:
        received = out[route.num_kept :]
    else:
        received = rows.new_empty((route.num_received, rows.shape[1]))
    transport.exchange(rows, route.send, route.send_counts, received, route.recv_counts)
    kept = rows[route.kept_rows] if route.kept is None else rows.index_select(0, route.kept)
    if route.kept_to is None:
        out[: route.num_kept] = kept
    else:
        out.index_copy_(0, route.kept_to, kept)
    if route.received_to is not None:
        out.index_copy_(0, route.received_to, received)
    return out


def return_along(gradient: Tensor, route: Route, transport: Transport) -> Tensor:
    """Return the gradient of what `send_along` was given, (rows_in, width), for that of what it returned."""
    leaving = gradient[route.num_kept :] if route.received_to is None else gradient
    coming = gradient.new_empty((len(route.send), gradient.shape[1]))
    transport.exchange(leaving, route.received_to, route.recv_counts, coming, route.send_counts)
    kept = gradient[: route.num_kept] if route.kept_to is None else gradient.index_select(0, route.kept_to)
    held = gradient.new_empty((route.rows_in, gradient.shape[1]))
    if route.kept is None:
        # Nothing is written twice: these are tens of megabytes in each step.
        held[: route.kept_start] = 0
        held[route.kept_rows] = kept
        held[route.kept_rows.stop :] = 0
    else:
        held.zero_().index_copy_(0, route.kept, kept)
    # A vertex may have been sent to several ranks: its gradient is the sum of theirs and its own.
    return held.index_add_(0, route.send, coming)
