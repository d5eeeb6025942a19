"""The mini-batches of a stage, each rank's part of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from fulmen_split_parallel.cooperative.builder import BatchBuilder
from fulmen_split_parallel.cooperative.lookahead import Lookahead
from fulmen_split_parallel.loading import GraphLoader, SeedBatch
from fulmen_split_parallel.networks.batch import GraphBatch
from fulmen_split_parallel.transfer import Transfer


class SplitLoader:
    """Goes over the global mini-batches of a loader, and gives this rank's part of each.

    Every rank iterates in step with all others. Its place in an epoch is the loader's: a run that is resumed
    goes on at the next mini-batch.

    Args:
        loader: Whose mini-batches they are; it is not iterated over itself.
        builder: Makes them, with this rank's group.
        lookahead: The thread in which they are made.
        note: Told of each one given out.
        transfer: Brings them to where they are computed.
    """

    def __init__(
        self,
        loader: GraphLoader,
        builder: BatchBuilder,
        lookahead: Lookahead,
        note: Callable[[GraphBatch], None],
        transfer: Transfer,
    ) -> None:
        self.loader, self.builder, self.lookahead, self.note = loader, builder, lookahead, note
        self.transfer = transfer

    def __len__(self) -> int:
        """Global mini-batches in an epoch."""
        return len(self.loader)

    def __iter__(self) -> Iterator[GraphBatch]:
        for seeds, sent, arrived in self.lookahead.each(self.loader.seed_batches(), self._build):
            batch = self.transfer.receive(sent, arrived)
            self.loader.give_out(seeds)
            self.note(batch)
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the loader's place."""
        return self.loader.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Set the loader's place."""
        self.loader.load_state_dict(state)

    def _build(self, seeds: SeedBatch) -> tuple[SeedBatch, GraphBatch, torch.cuda.Event | None]:
        with self.transfer.making():
            batch = self.builder.build(
                seeds.vertices,
                self.loader.fanouts,
                seed=self.loader.seed,
                epoch=seeds.epoch,
                step=seeds.step,
                key=seeds.key,
            )
            return seeds, *self.transfer.send(batch)
