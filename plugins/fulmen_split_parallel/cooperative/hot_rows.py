"""The rows that an owner keeps at hand: those that mini-batches ask for most."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fulmen_split_parallel.sampling.buffers import BufferPool
from fulmen_split_parallel.sampling.edge_passes import read_only
from fulmen_split_parallel.sampling.feature_rows import copy_rows

_COLD = -1


class HotRows:
    """Features of vertices; the hottest of this rank's own stay where they are computed with.

    On a GPU these lie in its memory, and only the rest crosses the bus. On a CPU the page cache serves: rows
    are gathered from the matrix whether hot or not, and only counted.

    Args:
        features: (V, F), also mapped.
        hot: int64, those of this rank's own vertices that are kept, hottest first.
        device: Where they are computed with.

    Attributes:
        hits: Rows asked for so far that are hot.
        misses: Rows that are not.
    """

    def __init__(
        self, features: NDArray[Any], hot: NDArray[np.int64] | None = None, device: torch.device | str = "cpu"
    ) -> None:
        self._features, self._bytes = features, read_only(features).view(np.uint8)
        self._pool = BufferPool()
        self._device = torch.device(device)
        self.hits = self.misses = 0
        hot = np.empty(0, np.int64) if hot is None else hot
        self._place: NDArray[np.int32] | None = None
        if len(hot):
            self._place = np.full(len(features), _COLD, np.int32)
            self._place[hot] = np.arange(len(hot), dtype=np.int32)
        self._kept: Tensor | None = None
        if len(hot) and self._device.type != "cpu":
            self._kept = self._gathered(hot).to(self._device)

    def take(self, vertices: NDArray[np.int64], room: int = 0) -> Tensor:
        """Return the features of vertices, (n, F) or more rows, in the matrix's type.

        They are on the device where some are kept there, else in memory that is used again.

        Args:
            vertices: int64 (n,).
            room: How many rows there are to be, if more than n: what stands in the others is arbitrary.
        """
        if self._place is None:
            self.misses += len(vertices)
            return self._gathered(vertices, room)
        places = self._place[vertices]
        hot = places != _COLD
        count = int(hot.sum())
        self.hits += count
        self.misses += len(vertices) - count
        if self._kept is None:
            return self._gathered(vertices, room)
        out = self._kept.new_empty((max(len(vertices), room), self._kept.shape[1]))
        chosen = torch.from_numpy(places[hot].astype(np.int64)).to(self._device)
        is_hot = torch.from_numpy(np.flatnonzero(hot)).to(self._device)
        is_cold = torch.from_numpy(np.flatnonzero(~hot)).to(self._device)
        out[is_hot] = self._kept[chosen]
        out[is_cold] = self._gathered(vertices[~hot]).to(self._device)
        return out

    def _gathered(self, vertices: NDArray[np.int64], room: int = 0) -> Tensor:
        rows = self._pool.empty((max(len(vertices), room), self._features.shape[1]), self._features.dtype)
        copy_rows(self._bytes, vertices, rows[: len(vertices)].view(np.uint8))
        return torch.from_numpy(rows)
