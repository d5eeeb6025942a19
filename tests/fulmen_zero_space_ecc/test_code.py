"""The code: every single flip corrected, every double flip detected, in all of its implementations."""

from __future__ import annotations

import itertools

import code_oracle as oracle
import numpy as np
import pytest
import torch

from fulmen_zero_space_ecc import arena, code, torch_code
from fulmen_zero_space_ecc.columns import BITS, CHECKS, column

SINGLES = [1 << bit for bit in range(BITS)]
DOUBLES = [one | other for one, other in itertools.combinations(SINGLES, 2)]
LAYOUTS = ["interleaved", "paper"]


def random_blocks(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    blocks = rng.integers(-64, 64, (count, 8)).astype(np.int8)
    blocks[:, 7] = rng.integers(-128, 128, count)
    return blocks


def extreme_blocks() -> np.ndarray:
    """All blocks whose weights are each at an end of its range, or all 0 or -1."""
    ends = itertools.product(*[(-64, 63)] * 7, (-128, 127))
    return np.array([*ends, (0,) * 8, (-1,) * 8], np.int8)


def words(blocks: np.ndarray) -> np.ndarray:
    return blocks.reshape(-1).view(np.uint64)


def blocks_of(words_: np.ndarray) -> np.ndarray:
    return words_.view(np.int8).reshape(-1, 8)


BLOCKS = np.concatenate([random_blocks(1000), extreme_blocks()])


def test_the_columns_are_all_odd_words_of_7_bits_once():
    columns = [column(bit) for bit in range(BITS)]

    assert sorted(columns) == list(range(64, 128))


def test_encoding_and_decoding_gives_the_weights_back():
    payload = code.encode(BLOCKS)
    weights, status = code.decode(payload)

    assert np.array_equal(weights, BLOCKS)
    assert not status.any()
    assert payload.nbytes == BLOCKS.nbytes  # no byte more


def test_only_bit_6_of_seven_bytes_changes():
    changed = code.encode(BLOCKS) ^ BLOCKS

    assert not (changed[:, :CHECKS] & ~0x40).any()
    assert not changed[:, 7].any()


@pytest.mark.parametrize("flips", [SINGLES, DOUBLES], ids=["singles", "doubles"])
def test_every_flip_of_every_block(flips):
    """64 or 2,016 patterns on 1,258 blocks each."""
    payload = words(code.encode(BLOCKS))
    expected = 1 if flips is SINGLES else 2
    for flip in flips:
        weights, status = code.decode(blocks_of(payload ^ np.uint64(flip)))
        assert (status == expected).all()
        if expected == 1:
            assert np.array_equal(weights, BLOCKS)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("flips", [SINGLES, DOUBLES], ids=["singles", "doubles"])
def test_every_flip_of_every_block_of_an_arena(layout, flips):
    """Each block of the arena gets another pattern, until all have had all."""
    blocks = np.resize(BLOCKS, (64 * 21, 8))
    plain = blocks.T.copy().reshape(-1) if layout == "interleaved" else blocks.copy().reshape(-1)
    encoded = plain.copy()
    arena.encode_(encoded, layout)
    where = arena.block_bytes(np.arange(len(blocks)), encoded.size, layout)
    for turn in range(len(flips)):
        pattern = np.roll(np.resize(np.array(flips, np.uint64), len(blocks)), turn)
        faulty = encoded.copy()
        faulty[where] ^= blocks_of(pattern)
        stood = faulty.copy()
        found = arena.scrub_(faulty, layout)
        if flips is SINGLES:
            assert found.corrected == len(blocks)
            assert len(found.detected) == 0
            assert np.array_equal(faulty, encoded)
        else:
            assert found.corrected == 0
            assert np.array_equal(np.sort(found.detected), np.arange(len(blocks)))
            assert np.array_equal(faulty, stood)
            if turn > 50:
                break  # 1,344 blocks times 50 turns are 67,200 pairs, each pattern 33 times


def test_three_flips_are_always_miscorrected():
    """A limit: the code uses every odd column, so the sum of three is the column of a fourth bit."""
    payload = words(code.encode(random_blocks(1)))
    triples = [a | b | c for a, b, c in itertools.combinations(SINGLES, 3)]

    weights, status = code.decode(blocks_of(payload ^ np.array(triples, np.uint64)))

    assert len(triples) == 41_664
    assert (status == 1).all()
    assert (code.encode(weights) != blocks_of(np.repeat(payload, len(triples)))).any(axis=1).all()


def faulty(count: int, seed: int) -> np.ndarray:
    """Random code words with 0, 1, 2 or 3 flips."""
    rng = np.random.default_rng(seed)
    payload = words(code.encode(random_blocks(count, seed)))
    for flips in range(1, 4):
        bits = rng.integers(0, 64, count).astype(np.uint64)
        payload ^= np.where(np.arange(count) % 4 >= flips, np.uint64(1) << bits, np.uint64(0))
    return payload


def test_kernels_and_torch_agree_on_a_million_words():
    payload = blocks_of(faulty(1_000_000, seed=1))

    weights, status = code.decode(payload)
    for begin in range(0, len(payload), 100_000):
        part = slice(begin, begin + 100_000)
        torch_weights, torch_status = torch_code.decode(torch.from_numpy(payload[part]))
        assert np.array_equal(torch_weights.numpy(), weights[part])
        assert np.array_equal(torch_status.numpy(), status[part])


def test_kernels_and_the_oracle_agree():
    """On 4,000 words: pure Python takes a millisecond for each."""
    payload = faulty(4_000, seed=2)

    weights, status = code.decode(blocks_of(payload))

    expected = [oracle.decode(int(word)) for word in payload]
    assert words(weights).tolist() == [word for word, _ in expected]
    assert status.tolist() == [state for _, state in expected]


def test_encoders_agree():
    blocks = random_blocks(64 * 4, seed=3)
    payload = code.encode(blocks)
    planes, rows = blocks.T.copy().reshape(-1), blocks.copy().reshape(-1)
    arena.encode_(planes, "interleaved")
    arena.encode_(rows, "paper")

    assert np.array_equal(torch_code.encode(torch.from_numpy(blocks)).numpy(), payload)
    assert np.array_equal(planes.reshape(8, -1).T, payload)
    assert np.array_equal(rows.reshape(-1, 8), payload)
    assert words(payload).tolist() == [oracle.encode(int(word)) for word in words(blocks)]


@pytest.mark.parametrize("kind", ["array", "tensor", "unaligned"])
def test_a_scrub_mends_in_place_and_a_second_one_finds_nothing_to_mend(kind):
    payload = code.encode(random_blocks(3, seed=4))
    broken = words(payload) ^ np.array([0, 1 << 13, 3 << 40], np.uint64)
    blocks = blocks_of(broken)
    if kind == "unaligned":
        blocks = np.zeros(25, np.int8)[1:].reshape(3, 8)
        blocks[...] = blocks_of(broken)
    held = torch.from_numpy(blocks) if kind == "tensor" else blocks

    assert code.scrub_(held) == (1, 1)
    assert code.scrub_(held) == (0, 1)
    assert np.array_equal(blocks[:2], payload[:2])
    assert np.array_equal(blocks[2], blocks_of(broken)[2])


def test_a_tensor_comes_back_as_a_tensor():
    weights = torch.from_numpy(random_blocks(5))
    decoded, status = code.decode(code.encode(weights))

    assert torch.equal(decoded, weights)
    assert status.dtype == torch.uint8


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (np.full((2, 8), 64, np.int8), "14 weights of bytes 0 to 6 lie outside"),
        (np.zeros((2, 8), np.int16), "int16 of shape"),
        (np.zeros((2, 7), np.int8), r"shape \(2, 7\)"),
        (torch.zeros(16, dtype=torch.int8), r"shape \(16,\)"),
    ],
)
def test_what_cannot_be_encoded_is_refused(blocks, message):
    with pytest.raises(ValueError, match=message):
        code.encode(blocks)


def test_a_view_cannot_be_scrubbed_in_place():
    with pytest.raises(ValueError, match="not contiguous"):
        code.scrub_(np.zeros((8, 16), np.int8)[:, ::2])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_on_a_device():
    weights = torch.from_numpy(BLOCKS)
    payload = code.encode(weights.cuda())

    assert torch.equal(payload.cpu(), code.encode(weights))
    payload[3, 2] ^= 1
    assert code.scrub_(payload) == (1, 0)
    assert torch.equal(code.decode(payload)[0].cpu(), weights)
