"""Rows along a route between ranks, differentiably (the shuffle of GSplit, arXiv:2303.13775)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
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
        return self.begin(rows)()

    @property
    def kept_start(self) -> int:
        """The first of the rows that stay; see `Apart`."""
        return self.route.kept_start

    @property
    def num_kept(self) -> int:
        """How many rows stay; see `Apart`."""
        return self.route.num_kept

    def begin(self, rows: Tensor) -> Callable[[], Tensor]:
        """Begin an exchange, and return what ends it and gives its rows; see `Apart`."""
        self._require(rows)
        if self.transport.size == 1:
            return lambda: rows
        if self.landing is not None and not rows.requires_grad and _begins(self.landing, rows):
            return self._land(self.landing)
        width = math.prod(rows.shape[1:])  # reshape cannot tell it where there are no rows
        flat = rows.reshape(len(rows), width)
        exchanged: Tensor = _Shuffle.apply(flat, self)  # type: ignore[no-untyped-call]
        shaped = exchanged.reshape(self.route.rows_out, *rows.shape[1:])
        return lambda: shaped

    def fetch(self, rows: Tensor) -> Callable[[], Tensor]:
        """Begin to bring rows from other ranks, and return what gives them; see `Apart`."""
        self._require(rows)
        route = self.route
        received = rows.new_empty((route.num_received, rows.shape[1]))
        with self.timed():
            finish = self.transport.begin(
                rows.contiguous(), route.send, route.send_counts, received, route.recv_counts
            )

        def ended() -> Tensor:
            with self.timed():
                finish()
            return received

        return ended

    def give_back(self, gradient: Tensor) -> Callable[[Tensor], None]:
        """Begin to take gradients of what `fetch` gave to where it was; see `Apart`."""
        route = self.route
        coming = gradient.new_empty((len(route.send), gradient.shape[1]))
        with self.timed():
            finish = self.transport.begin(
                gradient.contiguous(), None, route.recv_counts, coming, route.send_counts
            )

        def add_to(held: Tensor) -> None:
            with self.timed():
                finish()
                # A vertex may have been sent to several ranks: its gradient is the sum of theirs and its own.
                held.index_add_(0, route.send, coming)

        return add_to

    def to(self, device: torch.device | str) -> Shuffle:
        """Return the same exchange with its indices on a device."""
        return Shuffle(self.route.to(device), self.transport, self.counts)

    def _require(self, rows: Tensor) -> None:
        if len(rows) != self.route.rows_in:
            raise ValueError(
                f"{len(rows)} rows to exchange where the layer below has {self.route.rows_in} destinations; "
                "give exchange the output of the layer below (skipped rows: their first num_destinations)."
            )

    def _land(self, memory: Tensor) -> Callable[[], Tensor]:
        """Receive rows behind those that are kept; what is given is a part of the memory."""
        route, end = self.route, self.route.kept_start + self.route.rows_out
        # Behind all that anyone can have kept for a gradient: torch must not take these for changed.
        received = memory.data[route.kept_rows.stop : end]
        with self.timed():
            finish = self.transport.begin(
                memory[: route.rows_in], route.send, route.send_counts, received, route.recv_counts
            )

        def ended() -> Tensor:
            with self.timed():
                finish()
            return memory[route.kept_start : end]

        return ended

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
