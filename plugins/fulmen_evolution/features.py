"""Genotypes as sparse vectors: which value each key has, and which values each two keys have together."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Sparse = tuple[NDArray[np.int64], NDArray[np.float64]]

PAIR_WEIGHT = 0.5  # a pair explains less than a single value until data say otherwise
MOST = 512  # entries at most: the surrogate's time grows with the square


class PairFeatures:
    """The pairwise one-hot vector of a genotype's description.

    One constant, one entry for each value of each key, and one for each two values of each two keys. Where
    these would be more than 512, pairs share entries by a fixed hash, with a sign that makes their collisions
    cancel on average (Weinberger et al., "Feature hashing for large scale multitask learning", ICML 2009).

    Args:
        widths: Of each key's soft one-hot vector.

    Attributes:
        size: Entries of the vector.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        self._widths = tuple(widths)
        self._starts = np.concatenate([[1], 1 + np.cumsum(widths)]).astype(np.int64)
        self._pairs = list(itertools.combinations(range(len(widths)), 2))
        singles = int(self._starts[-1])
        sizes = [widths[i] * widths[j] for i, j in self._pairs]
        self._pair_starts = singles + np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._start_list = self._starts.tolist()[:-1]
        self._paired = list(zip(self._pairs, self._pair_starts.tolist(), strict=False))
        self._weights = np.array([1.0] * (1 + len(widths)) + [PAIR_WEIGHT] * len(self._pairs))
        wanted = int(self._pair_starts[-1])
        self._singles = singles
        self._buckets = 0 if wanted <= MOST else max(MOST - singles, MOST // 2)
        self.size = singles + self._buckets if self._buckets else wanted

    def encode(self, description: Sequence[Sequence[tuple[int, float]]]) -> Sparse:
        """Return places and values of the non-zero entries.

        Args:
            description: For each key the non-zero entries of its soft one-hot vector.
        """
        if all(len(entries) == 1 for entries in description):
            return self._encode_values([entries[0][0] for entries in description])
        places, values = [0], [1.0]
        for start, entries in zip(self._start_list, description, strict=True):
            places += [start + place for place, _ in entries]
            values += [value for _, value in entries]
        for (i, j), start in self._paired:
            width = self._widths[j]
            for first, a in description[i]:
                for second, b in description[j]:
                    places.append(start + first * width + second)
                    values.append(PAIR_WEIGHT * a * b)
        return self._folded_row(np.array(places, dtype=np.int64), np.array(values))

    def _encode_values(self, at: list[int]) -> Sparse:
        """Do the same where each key has one entry, of weight 1: choices, which are most spaces."""
        starts, widths = self._start_list, self._widths
        places = [0, *map(operator.add, starts, at)]
        places += [start + at[i] * widths[j] + at[j] for (i, j), start in self._paired]
        return self._folded_row(np.array(places, dtype=np.int64), self._weights)

    def encode_many(self, places: NDArray[np.int64]) -> Sparse:
        """Return places and values, shape (n, entries) each, of genotypes of choices.

        Args:
            places: Of each key's value in its list, shape (n, keys).
        """
        first, second = np.array(self._pairs, dtype=np.int64).reshape(-1, 2).T
        widths = np.array(self._widths, dtype=np.int64)
        pairs = self._pair_starts[:-1] + places[:, first] * widths[second] + places[:, second]
        constant = np.zeros((len(places), 1), dtype=np.int64)
        at = np.concatenate([constant, self._starts[:-1] + places, pairs], axis=1)
        weights = np.broadcast_to(self._weights, at.shape)
        return self._fold(at, weights) if self._buckets else (at, weights)

    def _folded_row(self, at: NDArray[np.int64], weights: NDArray[np.float64]) -> Sparse:
        """Fold one row; of many keys, whose pairs are more than there are entries, each entry stands once."""
        if not self._buckets:
            return at, weights
        at, weights = self._fold(at, weights)
        if len(at) <= self.size:
            return at, weights
        summed = np.asarray(np.bincount(at, weights, minlength=self.size), dtype=np.float64)
        found = np.flatnonzero(summed)
        return found, summed[found]

    def _fold(self, at: NDArray[np.int64], weights: NDArray[np.float64]) -> Sparse:
        pairs = at >= self._singles
        # Knuth's multiplicative hash: the high bits of a product with 2^32 / golden ratio.
        hashed = (at.astype(np.uint64) * np.uint64(2654435761)) & np.uint64(0xFFFFFFFF)
        bucket = self._singles + ((hashed >> np.uint64(1)) % np.uint64(self._buckets)).astype(np.int64)
        sign = np.where(hashed & np.uint64(1 << 31), -1.0, 1.0)
        return np.where(pairs, bucket, at), np.where(pairs, weights * sign, weights)


def sparse_times(
    places: NDArray[np.integer[Any]], values: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the product of sparse rows, (n, entries) each, with weights (size, ...): shape (n, ...)."""
    rows, width = places.shape
    starts = np.arange(0, rows * width + 1, width, dtype=places.dtype)
    array = sparse.csr_array((values.ravel(), places.ravel(), starts), shape=(rows, len(weights)))
    return np.asarray(array @ weights.reshape(len(weights), -1)).reshape(rows, *weights.shape[1:])


class SparseRows:
    """Sparse vectors, one a row, in arrays that grow.

    Args:
        size: Entries of a vector.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.count = 0
        self._places = np.zeros((16, 8), dtype=np.int32)  # as scipy multiplies fastest
        self._values = np.zeros((16, 8))
        self._transposed: sparse.csc_array | None = None  # shares the arrays' memory: made anew as they grow

    def append(self, row: Sparse) -> int:
        """Add a row; return its number."""
        places, values = row
        rows, width = self._places.shape
        if self.count == rows or len(places) > width:
            shape = (2 * rows if self.count == rows else rows, max(width, len(places)))
            for name in ("_places", "_values"):
                old = getattr(self, name)
                new = np.zeros(shape, dtype=old.dtype)  # place 0 with value 0 adds nothing
                new[:rows, :width] = old
                setattr(self, name, new)
            self._transposed = None
        self._places[self.count, : len(places)] = places
        self._values[self.count, : len(values)] = values
        self.count += 1
        return self.count - 1

    def times(
        self, weights: NDArray[np.float64], rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Return the product of rows with weights of shape (size, ...): shape (rows, ...)."""
        where = slice(0, self.count) if rows is None else rows
        return sparse_times(self._places[where], self._values[where], weights)

    def transposed_times(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the product of the transposed rows with values of shape (count, m): shape (size, m)."""
        rows, width = self._places.shape
        if self._transposed is None:
            starts = np.arange(0, rows * width + 1, width, dtype=np.int32)
            parts = (self._values.reshape(-1), self._places.reshape(-1), starts)
            self._transposed = sparse.csc_array(parts, shape=(self.size, rows))
            self._transposed.data, self._transposed.indices = parts[:2]  # should it have copied them
        # Rows that are not there yet are empty.
        self._transposed.indptr[:] = np.minimum(np.arange(rows + 1), self.count) * width
        padded = np.zeros((rows, values.shape[1]))
        padded[: self.count] = values
        return np.asarray(self._transposed @ padded)

    def row(self, number: int) -> Sparse:
        """Return a row."""
        return self._places[number], self._values[number]

    def dense(self) -> NDArray[np.float64]:
        """Return all rows as an array of shape (count, size)."""
        array = np.zeros((self.count, self.size))
        np.add.at(
            array, (np.arange(self.count)[:, None], self._places[: self.count]), self._values[: self.count]
        )
        return array
