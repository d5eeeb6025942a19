"""The graph that is shipped: Debian's packages, and what each depends on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fulmen_split_parallel.graph.debian_index import BUCKETS
from fulmen_split_parallel.graph.graph import Graph
from fulmen_split_parallel.graph.sources import GraphSource
from fulmen_split_parallel.graph.topology import symmetric_simple

SHIPPED = Path(__file__).resolve().parent.parent / "shipped" / "debian.npz"


@dataclass(frozen=True)
class DebianPackages(GraphSource):
    """Packages of Debian 12; a vertex's class is the section of the archive that the package is in.

    Features are the hashed words of the one-line description, scaled to length 1; neither text nor names
    are shipped. A fifth of the vertices are for training, as many each for validation and testing.

    Args:
        both_ways: Whether a package hears of those that need it as well as of those that it needs.
    """

    both_ways: bool = True

    def identity(self) -> str:
        """See `GraphSource`."""
        return repr((self.both_ways, SHIPPED.stat().st_size))

    def make(self) -> Graph:
        """See `GraphSource`."""
        with np.load(SHIPPED) as packed:
            arrays = {name: packed[name] for name in packed.files}
        indptr, indices = arrays["indptr"].astype(np.int64), arrays["indices"]
        if self.both_ways:
            vertices = len(indptr) - 1
            ends = np.repeat(np.arange(vertices), np.diff(indptr))
            # Once each, also where two packages need each other.
            indptr, indices = symmetric_simple(indices.astype(np.int64), ends, vertices)
        return Graph(
            indptr,
            indices,
            _features(arrays["words"], arrays["word_counts"]),
            arrays["labels"].astype(np.int64),
            train_idx=np.flatnonzero(arrays["part"] == 1),
            valid_idx=np.flatnonzero(arrays["part"] == 2),
            test_idx=np.flatnonzero(arrays["part"] == 3),
        )


def _features(words: NDArray[np.uint8], word_counts: NDArray[np.uint8]) -> NDArray[np.float16]:
    """How often each bucket occurs, float16 (V, BUCKETS), each row of length 1 or without words."""
    package = np.repeat(np.arange(len(word_counts)), word_counts)
    places = package * BUCKETS + words
    counts = np.bincount(places, minlength=len(word_counts) * BUCKETS).reshape(-1, BUCKETS).astype(np.float32)
    lengths = np.linalg.norm(counts, axis=1, keepdims=True)
    scaled: NDArray[np.float16] = (counts / np.maximum(lengths, 1)).astype(np.float16)
    return scaled
