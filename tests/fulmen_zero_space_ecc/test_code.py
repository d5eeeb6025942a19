"""The code corrects one flip of a block and detects two: on every pattern, in four programs that agree."""

from __future__ import annotations

import itertools
import math
import re

import ecc_oracle as oracle
import numpy as np
import pytest
import torch

from fulmen_zero_space_ecc import code
from fulmen_zero_space_ecc.code import torch_code
from fulmen_zero_space_ecc.code.columns import CHECK_WORDS, COLUMNS, POSITIONS

PAIRS = list(itertools.combinations(range(64), 2))


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
    return np.concatenate([oracle.random_weights(1000, 1), oracle.extreme_weights()])


@pytest.fixture(scope="module")
def payload(weights) -> np.ndarray:
    return code.encode(weights)


def all_rows(bits: tuple[int, ...], count: int) -> np.ndarray:
    return np.tile(np.array(bits), (count, 1))


def test_the_matrix_uses_every_odd_column_once():
    assert COLUMNS.tolist() == oracle.H
    assert sorted(COLUMNS.tolist()) == list(range(64, 128))  # all 64 with the parity row's 1
    assert np.bincount(COLUMNS >> 6).tolist() == [0, 64]
    assert [int(np.count_nonzero(COLUMNS >> row & 1)) for row in range(7)] == [32] * 6 + [64]
    assert all(POSITIONS[column] == bit for bit, column in enumerate(COLUMNS))
    assert len(set(CHECK_WORDS.tolist())) == 128


def test_the_page_shows_the_matrix_and_how_often_four_flips_pass(request):
    page = (request.config.rootpath / "docs/plugins/zero_space_ecc_code.md").read_text()
    rows = [
        line.replace("*", "").split("|")[2:10] for line in page.splitlines() if re.match(r"\| \d \|", line)
    ]
    assert [int(cell) for row in rows for cell in row] == oracle.H

    # Four columns cancel when two pairs have one sum: each of the 63 sums has 32 pairs, each four 3 splits.
    sums = [oracle.H[a] ^ oracle.H[b] for a, b in PAIRS]
    assert {sums.count(s) for s in set(sums)} == {32}
    assert len(set(sums)) * math.comb(32, 2) // 3 == 10_416
    assert "1.64 % (10,416 of 635,376)" in page
    assert math.comb(64, 4) == 635_376
    assert math.comb(64, 3) == 41_664


def test_without_twists_the_check_bits_could_not_be_solved_for():
    def rank(columns: list[int]) -> int:
        sums = {0}
        for column in columns:
            sums |= {s ^ column for s in sums}
        return len(sums).bit_length() - 1

    assert rank([64 | i << 3 | 6 for i in range(7)]) == 4
    assert rank([int(COLUMNS[8 * i + 6]) for i in range(7)]) == 7


def test_a_round_trip_changes_nothing_and_adds_no_byte(weights, payload):
    decoded, status = code.decode(payload)

    np.testing.assert_array_equal(decoded, weights)
    assert not status.any()
    assert payload.nbytes == weights.nbytes
    assert payload.dtype == np.int8
    assert code.scrub_(payload.copy()) == (0, 0)


def test_only_the_check_bits_are_written(weights, payload):
    changed = np.bitwise_or.reduce(weights ^ payload, axis=0).view(np.uint8)
    assert changed.tolist() == [0x40] * 7 + [0]


def test_check_bits_are_those_that_the_definition_allows(weights, payload):
    for row in range(0, len(weights), 40):
        assert payload[row].tolist() == oracle.encode_block(weights[row].tolist())


@pytest.mark.parametrize("program", [code, torch_code], ids=["compiled", "torch"])
def test_every_single_flip_of_every_block_is_corrected(program, weights, payload):
    for bit in range(64):
        hit = torch.from_numpy(oracle.flip(payload, all_rows((bit,), len(payload))))
        decoded, status = program.decode(hit)

        np.testing.assert_array_equal(decoded.numpy(), weights)
        assert (status == 1).all()
        assert program.scrub_(hit) == (len(payload), 0)
        np.testing.assert_array_equal(hit.numpy(), payload)


@pytest.mark.parametrize("program", [code, torch_code], ids=["compiled", "torch"])
def test_every_double_flip_of_every_block_is_detected_and_left_alone(program, payload):
    for pair in PAIRS:
        hit = oracle.flip(payload, all_rows(pair, len(payload)))
        mended = torch.from_numpy(hit.copy())

        assert program.scrub_(mended) == (0, len(payload))
        np.testing.assert_array_equal(mended.numpy(), hit)


def test_every_triple_flip_is_taken_for_another_single_one():
    """A limit of any (64, 57) code with these properties: its 64 columns are all that there are."""
    triples = np.array(list(itertools.combinations(range(64), 3)))
    clean = code.encode(oracle.random_weights(len(triples), 2))
    mended = oracle.flip(clean, triples)

    assert len(triples) == 41_664
    assert code.scrub_(mended) == (len(triples), 0)
    distance = np.unpackbits((mended ^ clean).view(np.uint8), axis=1).sum(axis=1)
    assert (distance == 4).all()  # the three and the one that was "corrected"


def test_four_programs_agree_on_a_million_words_with_up_to_three_flips():
    generator = np.random.default_rng(3)
    clean = code.encode(oracle.random_weights(1_000_000, 4))
    flips = generator.integers(0, 64, (len(clean), 3))
    flips[:, 1] = (flips[:, 0] + generator.integers(1, 64, len(clean))) % 64
    flips[(flips[:, 2] == flips[:, 0]) | (flips[:, 2] == flips[:, 1]), 2] = -1
    flips[np.arange(3) >= generator.integers(0, 4, (len(clean), 1))] = -1
    hit = oracle.flip(clean, flips)

    expected, expected_status = oracle.decode_rows(hit)
    compiled, compiled_status = code.decode(hit)
    plain, plain_status = torch_code.decode(torch.from_numpy(hit))

    assert np.bincount((flips >= 0).sum(axis=1)).min() > 200_000
    np.testing.assert_array_equal(compiled, expected)
    np.testing.assert_array_equal(compiled_status, expected_status)
    np.testing.assert_array_equal(plain.numpy(), expected)
    np.testing.assert_array_equal(plain_status.numpy(), expected_status)
    for row in range(0, len(hit), 1000):  # the same in plain Python, where each word takes its time
        weights, status = oracle.decode_block(hit[row].tolist())
        assert (weights, status) == (expected[row].tolist(), expected_status[row])


def test_encoders_agree_on_a_million_words():
    weights = oracle.random_weights(1_000_000, 5)

    payload = code.encode(weights)

    np.testing.assert_array_equal(torch_code.encode(torch.from_numpy(weights)).numpy(), payload)
    assert not oracle.syndromes(payload).any()
    np.testing.assert_array_equal(weights | 0x40, payload | np.int8(0x40))


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 65])
def test_any_number_of_blocks_will_do(count):
    weights = oracle.random_weights(count, 6)
    decoded, status = code.decode(code.encode(weights))

    np.testing.assert_array_equal(decoded, weights)
    assert status.shape == (count,)


def test_tensors_give_tensors_and_are_not_changed(weights):
    tensor = torch.from_numpy(weights.copy())

    payload = code.encode(tensor)
    decoded, status = code.decode(payload)

    assert torch.equal(decoded, tensor)
    assert payload.dtype == torch.int8
    assert status.dtype == torch.uint8
    assert torch.equal(tensor, torch.from_numpy(weights))


def test_a_scrub_reaches_views_of_any_strides(weights, payload):
    wide = np.zeros((len(payload), 16), np.int8)
    wide[:, ::2] = payload
    wide[3, 4] ^= 1

    assert code.scrub_(wide[:, ::2]) == (1, 0)
    np.testing.assert_array_equal(wide[:, ::2], payload)
    assert not wide[:, 1::2].any()
    transposed = torch.from_numpy(payload.copy()).t().contiguous().t()
    transposed[5, 7] ^= 2
    assert code.scrub_(transposed) == (1, 0)
    np.testing.assert_array_equal(transposed.numpy(), payload)


@pytest.mark.parametrize("encode", [code.encode, torch_code.encode])
def test_weights_outside_the_box_are_refused_with_their_number(encode):
    weights = torch.from_numpy(oracle.random_weights(16, 7))
    weights[3, 2], weights[9, 6], weights[9, 7] = 64, -65, -128

    with pytest.raises(ValueError, match=r"2 weights lie outside \[-64, 63\].* row 3, byte 2 \(64\)"):
        encode(weights)


@pytest.mark.parametrize(
    "rows", [torch.zeros(8, dtype=torch.int8), torch.zeros(2, 7, dtype=torch.int8), torch.zeros(2, 8)]
)
@pytest.mark.parametrize("call", ["encode", "decode", "scrub_"])
def test_other_types_and_shapes_are_refused(rows, call):
    for refused in (rows, rows.numpy()):
        with pytest.raises(ValueError, match=r"int8 of shape \(n, 8\) is needed"):
            getattr(code, call)(refused)
    with pytest.raises(ValueError, match=r"int8 of shape \(n, 8\) is needed"):
        getattr(torch_code, call)(rows)
    with pytest.raises(ValueError, match="blocks are a list"):
        getattr(code, call)([[0] * 8])
