"""Dropout that draws the same whatever the number of ranks."""

from __future__ import annotations

import torch
from torch import Tensor

from fulmen_split_parallel.networks.batch import GraphBatch
from fulmen_split_parallel.networks.batch_aware import BatchAware
from fulmen_split_parallel.networks.errors import NetworkError

_GOLDEN = -0x61C8864680B583EB  # 0x9E3779B97F4A7C15, as the signed number that torch knows
_FIRST = -0x40A7B892E31B1A47  # 0xBF58476D1CE4E5B9
_SECOND = -0x6B2FB644ECCEEE15  # 0x94D049BB133111EB
_DRAWS = 1 << 16


class KeyedDropout(BatchAware):
    """Sets entries to zero by a hash of (mini-batch, this layer, vertex, channel), and scales the rest.

    A vertex loses the same channels whoever computes it, so that one process and many train alike. The
    probability is kept to 16 bits.

    Args:
        probability: Of an entry to be dropped, from 0 to below 1.
        layer: A number that no other dropout of the network has: two layers draw apart.

    Raises:
        NetworkError: the probability is out of range.
    """

    def __init__(self, probability: float, layer: int) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise NetworkError(f"dropout is {probability}; expected from 0 to below 1: set it to .5, say.")
        self.probability = probability
        self.layer = layer
        self._key = 0

    def begin(self, batch: GraphBatch) -> None:
        """Take the mini-batch's key."""
        self._key = batch.key

    def forward(self, rows: Tensor, vertices: Tensor) -> Tensor:
        """Return rows of shape (n, width) with entries dropped, in training; else as they are.

        Args:
            rows: float (n, width).
            vertices: int64 (n,), whose they are, as ids in the whole graph.
        """
        dropped = round(self.probability * _DRAWS)
        if not self.training or not dropped:
            return rows
        key = torch.tensor((self._key * 1024 + self.layer) & 0x7FFFFFFFFFFFFFFF, device=rows.device)
        keep = draws(key, vertices, rows.shape[1]) >= dropped
        return torch.where(keep, rows, 0) * (_DRAWS / (_DRAWS - dropped))

    def extra_repr(self) -> str:
        """The probability, for print."""
        return f"{self.probability}"


def draws(key: Tensor, vertices: Tensor, width: int) -> Tensor:
    """Return random numbers from 0 to 65535, int32 (n, width), that depend on key, vertex and column alone.

    One 64-bit hash makes the numbers of four columns, which is most of the time saved.

    Args:
        key: int64, a scalar.
        vertices: int64 (n,).
        width: Columns.

    Source: splitmix64, Steele et al., "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    columns = torch.arange(-(-width // 4), device=vertices.device)
    rows = _mixed(_mixed(key) + vertices * _GOLDEN)
    hashed = _mixed(rows[:, None] + (columns + 1) * _GOLDEN)
    return hashed.view(torch.int16)[:, :width].int() + _DRAWS // 2


def _mixed(z: Tensor) -> Tensor:
    # torch shifts signed numbers; the masks make the shifts logical.
    z = (z ^ ((z >> 30) & 0x3FFFFFFFF)) * _FIRST
    z = (z ^ ((z >> 27) & 0x1FFFFFFFFF)) * _SECOND
    return z ^ ((z >> 31) & 0x1FFFFFFFF)
