"""A directed graph with features and labels of its vertices."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 22  # indices hashed at a time: a mapped graph need not fit in memory


@dataclass(frozen=True, eq=False)
class Graph:
    """A graph of V vertices and E edges, by the in-edges of each vertex (CSC).

    Any array may be a read-only memory map, which the processes of a host then share.

    Attributes:
        indptr: int64 (V + 1,). The in-edges of vertex v are ``indptr[v]`` to ``indptr[v + 1] - 1``.
        indices: int32 or int64 (E,). The source of each edge.
        features: float16 or float32 (V, F).
        labels: int64 (V,), -1 where unknown.
        train_idx: int64, the vertices to train on, in an order that is part of the data.
        valid_idx: int64, those to validate on.
        test_idx: int64, those to test on.
        edge_weight: float32 (E,), or None.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[Any]
    features: NDArray[Any]
    labels: NDArray[np.int64]
    train_idx: NDArray[np.int64]
    valid_idx: NDArray[np.int64]
    test_idx: NDArray[np.int64]
    edge_weight: NDArray[np.float32] | None = None

    @property
    def num_vertices(self) -> int:
        """V."""
        return len(self.indptr) - 1

    @property
    def num_edges(self) -> int:
        """E."""
        return len(self.indices)

    @property
    def num_features(self) -> int:
        """F."""
        return int(self.features.shape[1])

    @cached_property
    def num_classes(self) -> int:
        """One more than the largest label; 0 where no label is known."""
        return int(self.labels.max(initial=-1)) + 1

    def fingerprint(self) -> str:
        """A name of the topology, 32 hexadecimal digits: equal for equal edges in equal order.

        Neither the type of the indices nor features, labels and splits have a part in it.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for array in (self.indptr, self.indices):
            digest.update(len(array).to_bytes(8, "little"))
            for start in range(0, len(array), _CHUNK):
                digest.update(np.ascontiguousarray(array[start : start + _CHUNK], "<i8").tobytes())
        return digest.hexdigest()
