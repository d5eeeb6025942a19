"""Fault models: how many bits they hit, that each bit is as likely as another, that streams are keyed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fulmen_zero_space_ecc.campaign.faults import (
    FAULT_MODELS,
    Bursts,
    Exact,
    Faults,
    Independent,
    Rows,
    StuckAt,
    Target,
    draw,
    draw_distinct,
    flip_,
    stream,
)

BITS = 4096
MODELS = [Independent(), Exact(), Bursts(8), Bursts(64, 8), Rows(32), StuckAt(), StuckAt(1)]


def drawn(model, rate=0.01, trials=200, bits=BITS):
    return [model.draw(stream(0, model.name, trial), bits, rate) for trial in range(trials)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model}")
def test_positions_are_distinct_sorted_and_inside(model):
    for faults in drawn(model, 0.05):
        assert faults.positions.dtype == np.int64
        assert (np.diff(faults.positions) > 0).all()
        assert ((faults.positions >= 0) & (faults.positions < BITS)).all()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model}")
def test_the_share_of_bits_hit_is_the_rate(model):
    share = np.mean([len(faults.positions) for faults in drawn(model, 0.01, 2000)]) / BITS
    # Bursts are cut at the end of the memory, and may lie on one another.
    assert share == pytest.approx(0.01, rel=0.16 if isinstance(model, Bursts) else 0.06)


def test_counts_of_independent_flips_are_binomial():
    counts = [len(faults.positions) for faults in drawn(Independent(), 0.002, 4000)]
    values = np.arange(stats.binom.ppf(0.9999, BITS, 0.002) + 1)
    expected = stats.binom.pmf(values, BITS, 0.002) * len(counts)
    found = np.bincount(counts, minlength=len(values))[: len(values)]
    often = expected > 5
    assert (
        stats.chisquare(found[often], expected[often] * found[often].sum() / expected[often].sum()).pvalue
        > 1e-3
    )


def test_exact_counts_are_exact_and_0_where_the_papers_are():
    assert {len(faults.positions) for faults in drawn(Exact(), 0.001)} == {4}
    assert {len(faults.positions) for faults in drawn(Exact(), 1e-5)} == {0}
    assert Exact().expected(10, 0.3) == 3


@pytest.mark.parametrize("count", [3, 40, 700])
def test_each_bit_is_as_likely_as_another(count):
    bits = 1000
    hits = np.zeros(bits)
    for trial in range(2000):
        hits[draw_distinct(stream(0, trial), bits, count)] += 1
    # Each bit is hit in count / bits of the trials; chosen without replacement, so that variances shrink.
    spread = 2000 * count / bits * (1 - count / bits)
    assert stats.chi2.sf(((hits - hits.mean()) ** 2).sum() / spread, bits - 1) > 1e-3


def test_a_rate_of_1_hits_all_and_of_0_none():
    for model in (Independent(), Exact(), StuckAt()):
        assert len(drawn(model, 1.0, 1)[0].positions) == BITS
    for model in MODELS:
        assert len(drawn(model, 0.0, 1)[0].positions) == 0


def test_bursts_are_runs():
    (faults,) = [faults for faults in drawn(Bursts(5, 8), 0.0005, 40) if len(faults.positions) == 5][:1]
    assert set(np.diff(faults.positions)) == {8}


def test_rows_fail_in_half_of_their_bits():
    faults = next(faults for faults in drawn(Rows(64), 0.02, 40) if len(faults.positions))
    row, count = np.unique(faults.positions // 512, return_counts=True)
    assert ((count > 200) & (count < 312)).all()
    assert len(row) <= 8


def test_stuck_bits_flip_only_where_they_differ():
    memory = np.array([0b0000_1111], np.uint8)
    faults = Faults(np.array([0, 1, 4, 5]), np.array([1, 0, 0, 1], np.uint8))
    assert faults.flips(memory).tolist() == [1, 5]
    flip_(memory, faults.flips(memory))
    assert memory.tolist() == [0b0010_1101]
    assert faults.flips(memory).tolist() == []


def test_flipping_twice_is_flipping_never():
    memory = np.random.default_rng(0).integers(0, 256, 100, dtype=np.uint8)
    before = memory.copy()
    positions = draw_distinct(stream(0), 800, 300)
    flip_(memory, positions)
    assert np.flatnonzero(np.unpackbits(memory ^ before, bitorder="little")).tolist() == positions.tolist()
    flip_(memory, positions)
    assert (memory == before).all()


def test_streams_are_keyed_by_what_is_drawn():
    first = stream(1, "weights", "independent", 1e-3, 7).integers(0, 1 << 40, 4).tolist()
    assert stream(1, "weights", "independent", 1e-3, 7).integers(0, 1 << 40, 4).tolist() == first
    for keys in [(2, "weights", "independent", 1e-3, 7), (1, "checks", "independent", 1e-3, 7)]:
        assert stream(*keys).integers(0, 1 << 40, 4).tolist() != first


@pytest.mark.parametrize("bits", [None, (0,), (3, 31), (30,)])
def test_targets_spare_everything_else(bits):
    target = Target(((16, 32), (64, 72)), bits, word=4)
    hit = draw(StuckAt(), target, 1.0, stream(0)).positions
    words = [16, 20, 24, 28, 64, 68]
    numbers = range(32) if bits is None else bits
    assert hit.tolist() == sorted(8 * word + bit for word in words for bit in numbers)
    assert target.size == len(hit)


def test_a_target_keeps_the_values_of_its_stuck_bits():
    target = Target(((8, 16),), (7, 0))
    faults = draw(StuckAt(), target, 1.0, stream(3))
    plain = StuckAt().draw(stream(3), target.size, 1.0)
    expected = dict(zip(target.positions(plain.positions).tolist(), plain.stuck_at.tolist(), strict=True))
    assert dict(zip(faults.positions.tolist(), faults.stuck_at.tolist(), strict=True)) == expected


def test_digests_tell_faults_apart():
    a, b = drawn(Independent(), 0.01, 2)
    assert a.digest() == drawn(Independent(), 0.01, 1)[0].digest() != b.digest()
    assert Faults(a.positions, np.zeros(len(a.positions), np.uint8)).digest() != a.digest()


def test_the_models_have_the_names_that_users_write():
    assert set(FAULT_MODELS) == {"independent", "exact", "bursts", "rows", "stuck_at"}
