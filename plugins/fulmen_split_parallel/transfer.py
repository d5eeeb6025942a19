"""Mini-batches go to a GPU in the thread that makes them, while the one before is computed there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from fulmen_split_parallel.cooperative.route import Route
from fulmen_split_parallel.cooperative.shuffle import Shuffle
from fulmen_split_parallel.networks.batch import GraphBatch, GraphLayer


class Transfer:
    """From the thread that makes mini-batches to the one that computes them; on a CPU there is nothing to do.

    Copies have a stream of their own: on the default one they would wait for the step that is being computed.

    Args:
        device: Where mini-batches are computed.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def making(self) -> AbstractContextManager[object]:
        """Return a context for the thread that makes a mini-batch."""
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def send(self, batch: GraphBatch) -> tuple[GraphBatch, torch.cuda.Event | None]:
        """Return the batch on the device, and what to wait for before it is read; within `making`."""
        if self._stream is None:
            return batch, None
        started = time.perf_counter()
        sent = batch.to(self.device)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record(self._stream)
        sent.counts["load_seconds"] += time.perf_counter() - started
        return sent, arrived

    def receive(self, batch: GraphBatch, arrived: torch.cuda.Event | None) -> GraphBatch:
        """Return a batch that may be computed with, in the thread that does."""
        if arrived is not None:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(arrived)
            for tensor in tensors_in(batch):
                # Else its memory would be given to the next batch as soon as Python lets go of it, which is
                # before the GPU has read it.
                tensor.record_stream(stream)
        return batch


def tensors_in(part: object) -> Iterator[Tensor]:
    """Yield the tensors of a batch, those of its layers and routes among them."""
    if isinstance(part, Tensor):
        yield part
    elif isinstance(part, list):
        for item in part:
            yield from tensors_in(item)
    elif isinstance(part, GraphBatch | GraphLayer | Shuffle | Route):
        for value in vars(part).values():
            yield from tensors_in(value)
