"""A split keeps the classes' shares, covers every image once, and never changes."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fulmen_vision.splits import complement, stratified_sample


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 5), max_size=200).map(np.array),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**64),
)
def test_each_class_gets_its_share_to_within_one(labels, share, seed):
    labels = labels.astype(np.int64)
    size = int(share * len(labels))

    chosen = stratified_sample(labels, size, seed)

    assert len(chosen) == len(set(chosen.tolist())) == size
    assert (np.diff(chosen) > 0).all()
    for c in set(labels.tolist()):
        exact = size * (labels == c).sum() / len(labels)
        assert abs((labels[chosen] == c).sum() - exact) < 1


def test_places_left_over_go_to_the_largest_remainders():
    labels = np.repeat(
        [0, 1, 2], [5, 3, 2]
    )  # 7 of 10: shares 3.5, 2.1, 1.4, so 3 + 2 + 1 and one for class 0

    chosen = stratified_sample(labels, 7, seed=0)

    assert np.bincount(labels[chosen]).tolist() == [4, 2, 1]


def test_sample_and_complement_cover_everything_once():
    labels = np.arange(100) % 7
    chosen = stratified_sample(labels, 30, seed=3)

    assert sorted([*chosen, *complement(chosen, 100)]) == list(range(100))


def test_seeds_choose_differently():
    labels = np.arange(200) % 4

    assert (stratified_sample(labels, 100, 0) != stratified_sample(labels, 100, 1)).any()


def test_the_choice_is_random():
    labels = np.zeros(1000, dtype=np.int64)
    chosen = np.concatenate([stratified_sample(labels, 500, seed) for seed in range(40)])

    # Each half of the indices is drawn 10,000 times but for 4 standard deviations (hypergeometric, 40 draws).
    assert abs((chosen < 500).sum() - 10_000) < 4 * np.sqrt(40 * 62.5)


def test_the_choice_is_the_same_in_every_process_and_for_ever():
    # The bytes of the digits' test indices in the first release. Who changes them changes what published
    # figures mean: give the new split a new name instead.
    code = (
        "import hashlib, numpy as np; from fulmen_vision.splits import stratified_sample;"
        "print(hashlib.sha256(stratified_sample(np.arange(1797) % 10, 500, 0).tobytes()).hexdigest())"
    )
    here = hashlib.sha256(stratified_sample(np.arange(1797) % 10, 500, 0).tobytes()).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()

    assert here == there == "2778d967e0b52a345d56e622daf297adbe0d8bf6fc82e745d9fc888f15ce4606"


@pytest.mark.parametrize("size", [-1, 11])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(ValueError, match=f"size is {size}; expected 0 to 10"):
        stratified_sample(np.zeros(10, dtype=np.int64), size, seed=0)
