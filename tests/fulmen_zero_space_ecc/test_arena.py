"""Whole arenas, in both layouts and in threads, against the definition of the blocks they are made of."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import ecc_oracle as oracle
import numpy as np
import pytest
import torch
from wot_toys import LAYOUTS, ToyNet

from fulmen_zero_space_ecc import code
from fulmen_zero_space_ecc.code import arena
from fulmen_zero_space_ecc.weights.placement import placement

pytestmark = pytest.mark.parametrize("layout", LAYOUTS)


@pytest.fixture(autouse=True)
def short_spans(monkeypatch):
    """Let small arenas be shared by threads, which only large ones are worth."""
    monkeypatch.setattr(arena, "_SHORTEST_SPAN", 512)


def encoded(rows: np.ndarray, layout: str) -> np.ndarray:
    buffer = oracle.to_arena(rows, layout)
    arena.encode_(buffer, layout)
    return buffer


def known_blocks() -> np.ndarray:
    return np.concatenate([oracle.random_weights(1000, 1), oracle.extreme_weights()])  # 1,264: whole columns


@pytest.mark.parametrize("blocks", [0, 8, 16, 264, 8 * 1024, 8 * 1024 + 8, 8 * 2500])
def test_encoding_is_that_of_the_blocks(layout, blocks):
    rows = oracle.random_weights(blocks, 2)

    buffer = encoded(rows, layout)

    np.testing.assert_array_equal(oracle.from_arena(buffer, layout), code.encode(rows))
    assert arena.verify(buffer, layout) == 0
    np.testing.assert_array_equal(arena.decode(buffer, layout), oracle.to_arena(rows, layout))
    arena.decode_(buffer, layout)
    np.testing.assert_array_equal(buffer, oracle.to_arena(rows, layout))


def test_every_single_flip_is_corrected(layout):
    rows = code.encode(known_blocks())
    clean = oracle.to_arena(rows, layout)
    for bit in range(64):
        buffer = oracle.to_arena(oracle.flip(rows, np.full((len(rows), 1), bit)), layout)

        assert arena.verify(buffer, layout) == len(rows)
        corrected, detected = arena.scrub_(buffer, layout)

        assert (corrected, len(detected)) == (len(rows), 0)
        np.testing.assert_array_equal(buffer, clean)


def test_every_double_flip_is_detected_in_its_block_and_left_alone(layout):
    rows = code.encode(known_blocks())
    for pair in itertools.combinations(range(64), 2):
        hit = oracle.to_arena(oracle.flip(rows, np.tile(pair, (len(rows), 1))), layout)
        buffer = hit.copy()

        corrected, detected = arena.scrub_(buffer, layout)

        assert corrected == 0
        np.testing.assert_array_equal(detected, np.arange(len(rows)))
        np.testing.assert_array_equal(buffer, hit)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_scattered_flips_are_mended_as_the_definition_says(layout, threads):
    generator = np.random.default_rng(3)
    clean = code.encode(oracle.random_weights(8 * 5000, 4))
    flips = np.full((len(clean), 2), -1)
    hit = generator.random(len(clean)) < 0.05
    flips[hit, 0] = generator.integers(0, 32, hit.sum())
    twice = hit & (generator.random(len(clean)) < 0.5)
    flips[twice, 1] = generator.integers(32, 64, twice.sum())
    faulty = oracle.flip(clean, flips)
    expected, status = oracle.decode_rows(faulty)
    buffer = oracle.to_arena(faulty, layout)

    assert arena.verify(buffer, layout, threads) == hit.sum()
    corrected, detected = arena.scrub_(buffer, layout, threads)

    assert corrected == (status == 1).sum() == hit.sum() - twice.sum()
    np.testing.assert_array_equal(detected, np.flatnonzero(status == 2))
    assert arena.verify(buffer, layout, threads) == len(detected)
    again = buffer.copy()
    assert arena.scrub_(again, layout, threads).corrected == 0  # idempotent
    np.testing.assert_array_equal(again, buffer)
    arena.decode_(buffer, layout, threads)
    np.testing.assert_array_equal(oracle.from_arena(buffer, layout), expected)


def test_more_detected_blocks_than_are_noted_at_first_are_all_named(layout):
    clean = code.encode(oracle.random_weights(8 * 2048, 5))
    buffer = oracle.to_arena(oracle.flip(clean, np.tile([3, 60], (len(clean), 1))), layout)

    np.testing.assert_array_equal(arena.scrub_(buffer, layout, 2).detected, np.arange(len(clean)))


def test_a_clean_scrub_changes_no_byte(layout):
    buffer = encoded(oracle.random_weights(8 * 1100, 6), layout)
    before = buffer.tobytes()

    corrected, detected = arena.scrub_(buffer, layout)

    assert (corrected, detected.tolist()) == (0, [])
    assert buffer.tobytes() == before


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("block", [0, 8 * 1500, 8 * 2048 - 1])
def test_an_arena_that_leaves_the_box_is_refused_and_left_as_it_was(layout, block, threads):
    rows = oracle.random_weights(8 * 2048, 7)
    rows[block, 3], rows[block, 5] = 64, -128
    buffer = oracle.to_arena(rows, layout)
    before = buffer.copy()
    first = min(arena.block_bytes(np.array([block]), buffer.size, layout)[0, [3, 5]])

    with pytest.raises(ValueError, match=rf"2 of 114,688 held bytes lie outside .* byte {first} \("):
        arena.encode_(buffer, layout, threads)

    np.testing.assert_array_equal(buffer, before)


def test_the_free_bytes_are_those_of_the_placement(layout):
    placed = placement(ToyNet(), layout)
    buffer = np.zeros(placed.size, np.int8)
    for segment in placed.segments:
        part = buffer[segment.offset : segment.offset + segment.numel]
        part[:] = 63
        part[segment.free] = -128
    plain = buffer.copy()

    arena.encode_(buffer, layout)

    np.testing.assert_array_equal(arena.decode(buffer, layout), plain)
    buffer = plain.copy()
    held = placed.segments[1].offset + int(np.flatnonzero(placed.segments[1].held_mask().flatten())[0])
    buffer[held] = 64
    assert arena.held_outside(buffer, layout).tolist() == [held]


def test_blocks_are_those_of_the_layout(layout):
    numbers = np.arange(64 * 3)
    blocks = numbers.reshape(-1, 8) if layout == "paper" else numbers.reshape(8, -1).T

    np.testing.assert_array_equal(arena.block_bytes(np.arange(24), 192, layout), blocks)
    np.testing.assert_array_equal(arena.as_rows(numbers.astype(np.uint8), layout), blocks.astype(np.int8))


def test_memory_of_a_tensor_is_changed_in_place(layout):
    rows = oracle.random_weights(64, 8)
    tensor = torch.from_numpy(oracle.to_arena(rows, layout).view(np.uint8).copy())
    address = tensor.data_ptr()

    arena.encode_(tensor.numpy(), layout)
    tensor[100] ^= 16

    assert arena.scrub_(tensor.numpy(), layout).corrected == 1
    assert tensor.data_ptr() == address
    np.testing.assert_array_equal(oracle.from_arena(tensor.numpy().view(np.int8), layout), code.encode(rows))


def test_a_read_only_arena_can_be_verified(layout):
    buffer = encoded(oracle.random_weights(64, 9), layout)
    frozen = np.frombuffer(buffer.tobytes(), np.uint8)

    assert arena.verify(frozen, layout) == 0


def test_decoding_elsewhere_leaves_the_arena_alone(layout):
    buffer = encoded(oracle.random_weights(64, 10), layout)
    before = buffer.copy()
    out = np.empty(buffer.size, np.uint8)

    assert np.shares_memory(arena.decode(buffer, layout, out), out)
    np.testing.assert_array_equal(buffer, before)
    with pytest.raises(ValueError, match="out has 64 bytes, the buffer 512"):
        arena.decode(buffer, layout, np.empty(64, np.int8))


@pytest.mark.parametrize(
    ("buffer", "message"),
    [
        (np.zeros(64, np.float32), "float32 of shape"),
        (np.zeros((8, 8), np.int8), r"int8 of shape \(8, 8\)"),
        (np.zeros(128, np.int8)[::2], "contiguous"),
        (np.zeros(63, np.int8), "63 bytes; it must be padded to a multiple of 64"),
        (np.zeros(65, np.int8)[1:], "does not begin at a multiple of 8"),
    ],
)
def test_other_buffers_are_refused(layout, buffer, message):
    for call in (arena.encode_, arena.verify, arena.scrub_, arena.decode_, arena.decode):
        with pytest.raises(ValueError, match=message):
            call(buffer, layout)


def test_unknown_layouts_and_no_threads_are_refused(layout):
    buffer = np.zeros(64, np.int8)
    with pytest.raises(ValueError, match="layout 'planes' is unknown; choose one of interleaved, paper"):
        arena.verify(buffer, "planes")
    with pytest.raises(ValueError, match="threads is 0"):
        arena.verify(buffer, layout, threads=0)


def test_a_forked_process_can_use_threads_of_its_own(layout):
    script = (
        "import os, numpy as np; from fulmen_zero_space_ecc.code import arena\n"
        f"b = np.zeros(64 * 4096, np.int8); arena._SHORTEST_SPAN = 512; arena.verify(b, {layout!r}, 2)\n"
        "child = os.fork()\n"
        f"if child == 0: os._exit(arena.verify(b, {layout!r}, 2))\n"
        "print(os.waitpid(child, 0)[1])"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True, text=True, timeout=60, env={**os.environ},
    )  # fmt: skip
    assert ran.stdout.strip() == "0", ran.stderr


def test_naming_the_modules_compiles_nothing(layout):
    script = (
        "import sys; import fulmen_zero_space_ecc.plugin, fulmen_zero_space_ecc.code.arena, "
        "fulmen_zero_space_ecc.code; print('numba' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
