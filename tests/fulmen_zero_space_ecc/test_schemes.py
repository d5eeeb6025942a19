"""Protections: what each mends, what it reports, what it costs; whole and partial decoding agree."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from fulmen_zero_space_ecc.campaign.faults import flip_
from fulmen_zero_space_ecc.campaign.schemes import SCHEMES, Arena, build
from fulmen_zero_space_ecc.campaign.schemes.crc32c import crc32c
from fulmen_zero_space_ecc.code.hsiao import check_bytes, columns, correct

SIZE = 4096 + 512  # a page and a piece of one
LAYOUTS = ("interleaved", "paper")


def held(size, layout):
    where = np.arange(size)
    return where < size // 8 * 7 if layout == "interleaved" else where % 8 != 7


def int8_arena(layout="interleaved", size=SIZE, seed=0):
    generator = np.random.default_rng(seed)
    values = generator.integers(-127, 128, size).astype(np.int8)
    inside = held(size, layout)
    values[inside] = generator.integers(-64, 64, inside.sum())
    half = size // 2
    return Arena(values.view(np.uint8), 1, layout, inside, ((0, half), (half, size)))


def float_arena(word):
    weights = torch.randn(SIZE // word, generator=torch.Generator().manual_seed(0))
    stored = weights if word == 4 else weights.to(torch.bfloat16).view(torch.int16)
    return Arena(stored.numpy().view(np.uint8).copy(), word)


LABELS = [
    label for name, kind in SCHEMES.items() for label in (name, *(f"{name}+{p}" for p in kind.policies[1:]))
]
ARENAS = {
    "interleaved": int8_arena(),
    "paper": int8_arena("paper"),
    "float32": float_arena(4),
    "bfloat16": float_arena(2),
}
CASES = [
    (label, name)
    for label in LABELS
    for name, arena in ARENAS.items()
    if arena.word in SCHEMES[label.split("+")[0]].words
]


def flipped(scheme, positions):
    memory = scheme.stored.copy()
    flip_(memory, np.sort(np.array(positions, np.int64)))
    return memory


@pytest.mark.parametrize(("label", "arena"), CASES)
def test_without_faults_it_reads_the_weights_and_reports_nothing(label, arena):
    scheme = build(label, ARENAS[arena])
    decoded = scheme.decode(scheme.stored)

    assert decoded.corrected == len(decoded.detected) == 0
    assert (decoded.values == scheme.clean).all()
    if scheme.name != "mset":
        assert (scheme.clean == ARENAS[arena].content).all()


@pytest.mark.parametrize(("label", "arena"), CASES)
def test_reading_what_faults_touched_is_reading_everything(label, arena):
    scheme = build(label, ARENAS[arena])
    for trial, count in enumerate([1, 2, 30, 800, 6000]):
        generator = np.random.default_rng(trial)
        flips = np.sort(generator.choice(8 * len(scheme.stored), count, replace=False))
        memory = flipped(scheme, flips)
        before = memory.copy()

        whole, touched = scheme.decode(memory), scheme.decode_touched(memory, flips)

        assert (memory == before).all()
        patched = scheme.clean.copy()
        patched[touched.where] = touched.values
        assert (patched == whole.values).all()
        assert touched.corrected == whole.corrected
        assert sorted(touched.detected) == sorted(whole.detected)
        assert scheme.wrong(touched)[2] == scheme.wrong(whole)[2]


@pytest.mark.parametrize("arena", ARENAS)
@pytest.mark.parametrize("label", ["ecc_72_64", "ecc_72_64_signed", "in_place", "triple", "checksum_reload"])
def test_any_single_flip_is_mended(label, arena):
    if ARENAS[arena].word not in SCHEMES[label].words:
        pytest.skip("int8 only")
    scheme = build(label, ARENAS[arena])
    bits = 8 * len(scheme.stored)
    for position in range(0, bits, 1 if bits < 4000 else 61):  # 61: a prime, so that all bit numbers occur
        decoded = scheme.decode_touched(flipped(scheme, [position]), np.array([position]))
        assert decoded.corrected == 1
        assert len(scheme.wrong(decoded)[0]) == 0


@pytest.mark.parametrize("label", ["ecc_72_64", "ecc_72_64_signed", "in_place"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_double_flips_in_a_block_are_reported_and_golden_mends_it(label, layout):
    arena = int8_arena(layout, 512)
    scheme, golden, zero = (build(f"{label}{policy}", arena) for policy in ("", "+golden", "+zero"))
    block = 5
    own = scheme.weight_bytes(np.array([block]))[0].tolist()
    if scheme.extra_bytes:
        own.append(scheme.size + block)
    bits = [8 * byte + bit for byte in own for bit in range(8)]
    for pair in itertools.islice(itertools.combinations(bits, 2), 0, None, 5):
        flips = np.sort(pair)
        memory = flipped(scheme, flips)
        decoded = scheme.decode_touched(memory, flips)
        assert decoded.detected.tolist() == [block]
        assert decoded.corrected == 0
        assert scheme.wrong(decoded)[2] == 0
        assert len(golden.wrong(golden.decode_touched(memory, flips))[0]) == 0
        assert not zero.decode_touched(memory, flips).values.any()


def test_what_each_costs():
    arena = int8_arena()
    pages = -(-SIZE // 4096)
    expected = {
        "none": 0, "sign_extension": 0, "in_place": 0, "mset": 0,
        "parity_zero": SIZE // 8, "ecc_72_64": SIZE // 8, "ecc_72_64_signed": SIZE // 8,
        "triple": 2 * SIZE, "checksum_reload": 4 * pages,
    }  # fmt: skip
    assert {name: build(name, arena).extra_bytes for name in SCHEMES} == expected
    assert build("checksum_reload", arena).golden_bytes == SIZE
    assert build("in_place+golden", arena).golden_bytes == SIZE
    assert build("in_place", arena).golden_bytes == 0


def test_parity_sees_odd_flips_alone():
    scheme = build("parity_zero", ARENAS["float32"])
    for flips, detected, silent in [([40], [1], 0), ([33, 40], [], 1), ([33, 40, 63], [1], 0)]:
        decoded = scheme.decode_touched(flipped(scheme, flips), np.array(flips))
        assert decoded.detected.tolist() == detected
        assert scheme.wrong(decoded)[2] == silent
    parity_bit = 8 * scheme.size + 1
    decoded = scheme.decode_touched(flipped(scheme, [parity_bit]), np.array([parity_bit]))
    assert decoded.detected.tolist() == [1]
    assert not decoded.values[4:8].any()


def test_sign_extension_makes_bit_6_of_held_weights_immune():
    arena = int8_arena()
    scheme = build("sign_extension", arena)
    flips = 8 * np.arange(SIZE) + 6
    where, _, silent = scheme.wrong(scheme.decode(flipped(scheme, flips)))
    assert (where == np.flatnonzero(~arena.held)).all()
    assert silent == len(where)


@pytest.mark.parametrize("arena", ["interleaved", "float32", "bfloat16"])
def test_mset_outvotes_one_flip_of_the_bit_that_matters(arena):
    scheme = build("mset", ARENAS[arena])
    word = ARENAS[arena].word
    voted = 7 if word == 1 else 8 * word - 2
    for bit in (voted, 0, 1):
        flips = 8 * word * np.arange(scheme.units) + bit
        decoded = scheme.decode(flipped(scheme, flips))
        assert (decoded.values == scheme.clean).all()
        assert decoded.corrected == scheme.units


def test_mset_rounds_to_the_nearest_that_it_can_hold():
    every = np.arange(-128, 128).astype(np.int8)
    clean = build("mset", Arena(every.view(np.uint8))).clean.view(np.int8).astype(int)
    assert (np.abs(clean - every)[:-2] <= 2).all()  # 126 and 127 round down to 124
    assert (clean % 4 == 0).all()
    for arena in (ARENAS["float32"],):
        before = arena.content.view(np.float32)
        after = build("mset", arena).clean.view(np.float32)
        assert np.abs(after / before - 1).max() <= 2.0**-22


def test_hsiaos_code_is_what_it_is_called():
    found = columns()
    assert len(set(found)) == 64
    weights = [column.bit_count() for column in found]
    assert sorted(weights) == [3] * 56 + [5] * 8
    rows = [sum(column >> row & 1 for column in found) + 1 for row in range(8)]
    assert rows == [27] * 8


def test_hsiaos_code_miscorrects_as_many_triples_as_enumerated():
    """The notes' 33,568 of 59,640: three flips look like one, and the wrong bit is mended."""
    every = [*columns(), *(1 << row for row in range(8))]
    syndromes = {a ^ b ^ c: 0 for a, b, c in itertools.combinations(every, 3)}
    for a, b, c in itertools.combinations(every, 3):
        syndromes[a ^ b ^ c] += 1
    assert sum(count for syndrome, count in syndromes.items() if syndrome in every) == 33_568


def test_hsiaos_syndromes_agree_with_the_matrix():
    generator = np.random.default_rng(0)
    rows = generator.integers(0, 256, (300, 8), dtype=np.uint8)
    bits = np.unpackbits(rows, axis=1, bitorder="little").astype(bool)
    by_hand = [np.bitwise_xor.reduce(np.array(columns())[row]) if row.any() else 0 for row in bits]
    assert check_bytes(rows).tolist() == by_hand
    mended, status = correct(rows, check_bytes(rows))
    assert (mended == rows).all()
    assert not status.any()


@pytest.mark.parametrize("length", [9, 64, 512, 4096])
def test_crc32c_is_crc32c(length):
    def slowly(data):
        register = 0xFFFFFFFF
        for byte in data:
            register ^= byte
            for _ in range(8):
                register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
        return register ^ 0xFFFFFFFF

    pages = np.random.default_rng(length).integers(0, 256, (3, length), dtype=np.uint8)
    assert crc32c(pages).tolist() == [slowly(page.tolist()) for page in pages]
    assert slowly(b"123456789") == 0xE3069283  # the check value of the standard
    assert crc32c(np.frombuffer(b"123456789", np.uint8)[None])[0] == 0xE3069283


@pytest.mark.parametrize(
    ("label", "arena", "message"),
    [
        ("in_place", ARENAS["float32"], "scheme in_place protects int8 weights only"),
        ("ecc_72_64_signed", Arena(np.zeros(64, np.uint8)), "needs weights held in"),
        ("triple+zero", ARENAS["paper"], "scheme triple has no policy 'zero'"),
        ("raid", ARENAS["paper"], "there is no scheme 'raid'; there are none, "),
    ],
)
def test_what_a_scheme_cannot_protect_is_refused(label, arena, message):
    with pytest.raises(ValueError, match=message):
        build(label, arena)
