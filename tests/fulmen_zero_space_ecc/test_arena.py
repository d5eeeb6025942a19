"""Arenas: in place, by several threads, and refused where they cannot be taken."""

from __future__ import annotations

import numpy as np
import pytest

from fulmen_zero_space_ecc import arena

LAYOUTS = pytest.mark.parametrize("layout", ["interleaved", "paper"])


def weights(layout: str, size: int = 64 * 500, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    where = arena.block_bytes(np.arange(size // 8), size, layout)
    made = np.empty(size, np.int8)
    made[where] = rng.integers(-64, 64, where.shape)
    made[where[:, 7]] = rng.integers(-128, 128, size // 8)
    return made


def flip(held: np.ndarray, bits: np.ndarray) -> None:
    np.bitwise_xor.at(held.view(np.uint8), bits >> 3, np.left_shift(1, bits & 7).astype(np.uint8))


@LAYOUTS
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_encode_verify_decode(layout, threads):
    plain = weights(layout)
    held = plain.copy()

    arena.encode_(held, layout, threads)

    assert arena.verify(held, layout, threads)
    assert np.array_equal(arena.decode(held, layout, threads=threads), plain)
    assert np.array_equal(arena.decode(held, layout, out=held), plain)  # in place


@LAYOUTS
@pytest.mark.parametrize("threads", [1, 3])
def test_a_scrub_corrects_counts_and_names_blocks(layout, threads):
    held = weights(layout)
    arena.encode_(held, layout)
    encoded = held.copy()
    rng = np.random.default_rng(1)
    blocks = rng.choice(held.size // 8, 3000, replace=False)
    where = arena.block_bytes(blocks, held.size, layout)
    flip(held, where[:, 2] * 8 + 5)
    flip(held, where[:1500, 7] * 8)  # more than there is room for at first
    faulty = held.copy()

    found = arena.scrub_(held, layout, threads)

    assert found.corrected == 1500
    assert np.array_equal(np.sort(found.detected), np.sort(blocks[:1500]))
    assert np.array_equal(held[where[1500:]], encoded[where[1500:]])
    assert np.array_equal(held[where[:1500]], faulty[where[:1500]])
    assert not arena.verify(held, layout, threads)
    assert arena.scrub_(held, layout, threads).corrected == 0


@LAYOUTS
def test_a_clean_scrub_changes_nothing(layout):
    held = weights(layout)
    arena.encode_(held, layout)
    encoded = held.copy()

    found = arena.scrub_(held, layout)

    assert (found.corrected, len(found.detected)) == (0, 0)
    assert np.array_equal(held, encoded)


def test_a_burst_of_neighbouring_bytes_is_repaired_where_blocks_are_interleaved():
    for layout, repaired in (("interleaved", True), ("paper", False)):
        held = weights(layout)
        arena.encode_(held, layout)
        encoded = held.copy()
        flip(held, np.arange(1000, 1064) * 8 + np.random.default_rng(0).integers(0, 8, 64))
        arena.scrub_(held, layout)
        assert np.array_equal(held, encoded) == repaired


@LAYOUTS
@pytest.mark.parametrize("place", [0, 17, -1])
def test_weights_outside_are_counted_and_nothing_is_changed(layout, place):
    held = weights(layout, 64 * 5000)
    where = arena.block_bytes(np.arange(held.size // 8), held.size, layout)
    held[where[place, :3]] = 64, -65, 127
    before = held.copy()

    with pytest.raises(ValueError, match="3 held weights lie outside"):
        arena.encode_(held, layout, threads=2)

    assert np.array_equal(held, before)


@pytest.mark.parametrize(
    ("held", "layout", "message"),
    [
        (np.zeros(100, np.int8), "paper", "a multiple of 64 bytes; this has 100"),
        (np.zeros(0, np.int8), "paper", "this has 0"),
        (np.zeros(64, np.int16), "paper", "int16"),
        (np.zeros((8, 8), np.int8), "paper", r"shape \(8, 8\)"),
        (np.zeros(128, np.int8)[::2], "paper", "contiguous"),
        (np.zeros(129, np.int8)[1:], "paper", "multiple of 8 bytes in memory"),
        (np.zeros(64, np.int8), "rows", "layout 'rows' is unknown"),
    ],
)
def test_what_is_no_arena_is_refused(held, layout, message):
    with pytest.raises(ValueError, match=message):
        arena.scrub_(held, layout)
