"""What one rank shows to the others of its host: numbers that say how far it is, and rows.

The memory has no name in any file system (memfd): it is not bounded by the size of /dev/shm, which containers
keep small, and nothing of it is left when processes are killed. Others open it through /proc.

An outbox has two slots, used in turn. Who writes slot t % 2 for exchange t has seen every other rank begin
exchange t - 1, and so knows that all have read what the slot held for exchange t - 2.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fulmen_split_parallel.cooperative.fences import publish
from fulmen_split_parallel.cooperative.peers import Process

# The numbers of an outbox: the exchange that is ready, whether its rank has left, and then for each slot the
# descriptor and serial number of its memory, the bytes of one row, and the rows for each rank.
READY, LEFT, SLOTS = 0, 1, 8
FILE, SERIAL, ROW_BYTES, COUNTS = 0, 1, 2, 3
_LEAST = 1 << 16  # bytes


@dataclass(frozen=True)
class Address:
    """Where another process finds an outbox."""

    process: Process
    file: int


def slot_words(size: int, slot: int) -> slice:
    """Where a slot's numbers stand."""
    length = COUNTS + size
    return slice(SLOTS + slot * length, SLOTS + (slot + 1) * length)


class Outbox:
    """The outbox of this rank.

    Args:
        size: Ranks of the group.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        length = 8 * (SLOTS + 2 * (COUNTS + size))
        self._files = {"words": _new_file(length)}
        self.words = np.frombuffer(mmap.mmap(self._files["words"], length), np.int64)
        self._memory: list[Tensor] = [torch.empty(0, dtype=torch.uint8)] * 2
        self._serial = 0

    @property
    def address(self) -> Address:
        """Where the other ranks find it."""
        return Address(Process.own(), self._files["words"])

    def room(self, slot: int, length: int) -> Tensor:
        """Return uint8 (length,), the beginning of a slot's memory, made larger if it has to be."""
        if len(self._memory[slot]) < length:
            # Others that have mapped the old memory keep it until they see the new serial number.
            if (old := self._files.pop(str(slot), None)) is not None:
                os.close(old)
            capacity = max(_LEAST, length + length // 2)
            self._files[str(slot)] = _new_file(capacity)
            self._memory[slot] = _as_bytes(mmap.mmap(self._files[str(slot)], capacity))
            self._serial += 1
            self.words[slot_words(self.size, slot)][[FILE, SERIAL]] = self._files[str(slot)], self._serial
        return self._memory[slot][:length]

    def announce(self, exchange: int, row_bytes: int, counts: NDArray[np.int64]) -> None:
        """Show the rows of an exchange to the others: so many for each rank, one after another."""
        words = self.words[slot_words(self.size, exchange % 2)]
        words[ROW_BYTES] = row_bytes
        words[COUNTS:] = counts
        publish(self.words, READY, exchange)

    def close(self) -> None:
        """Tell the others that this rank has left; they keep what they have mapped."""
        publish(self.words, LEFT, 1)
        for file in self._files.values():
            os.close(file)
        self._files = {}


class Window:
    """What one rank sees of another's outbox.

    Args:
        size: Ranks of the group.
        address: Where the outbox is.

    Raises:
        ConnectionError: it is gone.
    """

    def __init__(self, size: int, address: Address) -> None:
        self.size, self.process = size, address.process
        self.words = np.frombuffer(self._map(address.file), np.int64)
        self._serials = [0, 0]
        self._memory: list[Tensor] = [torch.empty(0, dtype=torch.uint8)] * 2

    def rows_for(self, rank: int, exchange: int) -> tuple[Tensor, int, int]:
        """Return what an exchange that is ready brings a rank.

        Returns:
            uint8 (bytes,), the rows; how many; and the bytes of each.
        """
        slot = exchange % 2
        words = self.words[slot_words(self.size, slot)]
        if words[SERIAL] != self._serials[slot]:
            self._memory[slot] = _as_bytes(self._map(int(words[FILE])))
            self._serials[slot] = int(words[SERIAL])
        counts, row_bytes = words[COUNTS:], int(words[ROW_BYTES])
        start = int(counts[:rank].sum()) * row_bytes
        count = int(counts[rank])
        return self._memory[slot][start : start + count * row_bytes], count, row_bytes

    def _map(self, file: int) -> mmap.mmap:
        path = Path(f"/proc/{self.process.pid}/fd/{file}")
        try:
            with path.open("r+b") as opened:
                return mmap.mmap(opened.fileno(), 0)
        except (OSError, ValueError) as error:
            raise ConnectionError(
                f"shared memory: connection refused: {path} of a rank of this host cannot be opened "
                f"({error}); set the strategy's transport to gloo."
            ) from error


def _new_file(length: int) -> int:
    file = os.memfd_create("fulmen_split_parallel")
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, file)
        os.posix_fallocate(file, 0, length)  # a full memory is an error here, not a crash at the first touch
        stack.pop_all()
    return file


def _as_bytes(memory: mmap.mmap) -> Tensor:
    return torch.frombuffer(memory, dtype=torch.uint8)
