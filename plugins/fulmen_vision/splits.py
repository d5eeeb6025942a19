"""Stratified splits that are the same on every machine, for ever."""

from __future__ import annotations

import numpy as np


def stratified_sample(labels: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Choose ``size`` examples at random, each class in its share of the whole.

    Class c gets floor(size * n_c / n) places; the places left over go to the largest remainders,
    the smaller class number first where they tie.

    Args:
        labels: Integers, shape (n,).
        size: How many to choose, 0 to n.
        seed: Of the choice, 0 to 2**128 - 1.

    Returns:
        int64, shape (size,): indices in rising order.

    Raises:
        ValueError: ``size`` is not between 0 and n.
    """
    if not 0 <= size <= len(labels):
        raise ValueError(f"size is {size}; expected 0 to {len(labels)}")
    classes, counts = np.unique(labels, return_counts=True)
    places = _largest_remainders(counts, size)
    order = _permutation(len(labels), seed)
    chosen = [order[labels[order] == c][:k] for c, k in zip(classes, places, strict=True)]
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, dtype=np.int64)


def complement(indices: np.ndarray, total: int) -> np.ndarray:
    """Return those of 0 ... total - 1 that are not in ``indices``, in rising order (int64)."""
    return np.setdiff1d(np.arange(total), indices)


def _largest_remainders(counts: np.ndarray, size: int) -> np.ndarray:
    # In whole numbers, so that no rounding of floats decides.
    floors, remainders = np.divmod(counts * size, max(counts.sum(), 1))
    ranked = np.argsort(-remainders, kind="stable")
    floors[ranked[: size - floors.sum()]] += 1
    return floors


def _permutation(total: int, seed: int) -> np.ndarray:
    # numpy keeps the raw stream of a bit generator for ever (NEP 19), but not Generator.permutation.
    return np.argsort(np.random.Philox(key=seed).random_raw(total), kind="stable")
