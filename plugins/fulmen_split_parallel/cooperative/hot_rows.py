"""The rows that an owner keeps at hand: those that mini-batches ask for most."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fulmen_split_parallel.sampling.feature_rows import FeatureRows

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
        self._rows = FeatureRows(features)
        self._device = torch.device(device)
        self.hits = self.misses = 0
        hot = np.empty(0, np.int64) if hot is None else hot
        self._place: NDArray[np.int32] | None = None
        if len(hot):
            self._place = np.full(len(features), _COLD, np.int32)
            self._place[hot] = np.arange(len(hot), dtype=np.int32)
        self._kept: Tensor | None = None
        if len(hot) and self._device.type != "cpu":
            self._kept = torch.from_numpy(self._rows.take(hot)).to(self._device)

    def take(self, vertices: NDArray[np.int64]) -> Tensor:
        """Return the features of vertices, (n, F), in the matrix's type.

        They are on the device where some are kept there, else in memory that is used again.
        """
        if self._place is None:
            self.misses += len(vertices)
            return torch.from_numpy(self._rows.take(vertices))
        places = self._place[vertices]
        hot = places != _COLD
        count = int(hot.sum())
        self.hits += count
        self.misses += len(vertices) - count
        if self._kept is None:
            return torch.from_numpy(self._rows.take(vertices))
        out = self._kept.new_empty((len(vertices), self._kept.shape[1]))
        chosen = torch.from_numpy(places[hot].astype(np.int64)).to(self._device)
        out[torch.from_numpy(hot).to(self._device)] = self._kept[chosen]
        cold = torch.from_numpy(self._rows.take(vertices[~hot])).to(self._device)
        out[torch.from_numpy(~hot).to(self._device)] = cold
        return out
