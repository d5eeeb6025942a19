"""Ratios of times on a machine that is not quiet; locks that make it so."""

from __future__ import annotations

import multiprocessing
import os
import time

import numpy as np
import pytest
from scipy.stats import spearmanr

from fulmen.costs.interleaved import interleaved_ratio
from fulmen.costs.quiet import Quiet


def clocked(seconds):
    """Return functions that take so long by a false clock, jittered as others' work does, and the clock."""
    random = np.random.default_rng(0)
    now = [0.0]
    slow = [1.0]

    def make(duration):
        def work():
            slow[0] *= np.exp(random.normal(0, 0.05))  # the machine drifts, slower than a round
            now[0] += duration * slow[0] * (5 if random.random() < 0.05 else 1)  # and is taken away at times

        return work

    return [make(duration) for duration in seconds], lambda: now[0]


@pytest.mark.parametrize("ratio", [0.05, 0.5, 1.0, 3.0])
def test_a_known_ratio_is_found_on_a_drifting_clock(ratio):
    (candidate, reference), clock = clocked([ratio, 1.0])

    found = interleaved_ratio(candidate, reference, half_width=0.02, clock=clock)

    assert found.ratio == pytest.approx(ratio, rel=0.05)
    assert found.half_width <= 0.02
    assert found.rounds >= 11


def test_what_the_others_turn_put_out_of_the_cache_does_not_count():
    now, last = [0.0], [""]

    def make(name, seconds, cold):
        def work():
            now[0] += seconds if last[0] == name else cold
            last[0] = name

        return work

    found = interleaved_ratio(
        make("small", 0.01, cold=0.05), make("large", 0.2, cold=0.21), clock=lambda: now[0]
    )

    assert found.ratio == pytest.approx(0.05)


def test_time_that_is_up_ends_it():
    (candidate, reference), clock = clocked([1.0, 1.0])
    start = time.monotonic()

    found = interleaved_ratio(candidate, reference, half_width=0.0, most_seconds=0.2, clock=clock)

    assert time.monotonic() - start < 5
    assert found.half_width > 0


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))


@pytest.mark.long
@pytest.mark.process
def test_beside_a_busy_neighbour_estimates_agree():
    """benchmarks/search.py has the issue's bars, .05 and .98; here other tests may run beside too."""
    import torch

    torch.set_num_threads(1)
    inputs = torch.zeros(1, 3, 32, 32)

    def forward(width):
        network = torch.nn.Sequential(torch.nn.Conv2d(3, width, 3), torch.nn.Conv2d(width, width, 3))

        def run():
            with torch.inference_mode():
                network(inputs)

        return run

    context = multiprocessing.get_context("fork")
    neighbours = [context.Process(target=spin, args=(120,)) for _ in range(os.cpu_count() or 1)]
    for neighbour in neighbours:
        neighbour.start()
    try:
        reference, widths = forward(16), [4, 8, 16, 32, 64]

        def measure(width):
            return interleaved_ratio(
                forward(width), reference, most_seconds=1.0, clock=time.thread_time
            ).ratio

        passes = [[measure(width) for width in widths] for _ in range(2)]
        repeated = [measure(32) for _ in range(6)]
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.join()

    assert np.std(repeated) / np.mean(repeated) <= 0.1
    assert spearmanr(*passes).statistic >= 0.98


def train(folder, batches, log):
    quiet = Quiet(folder)
    with quiet.working():
        for _ in range(batches):
            with log.open("a") as file:
                file.write(f"train {time.monotonic()}\n")
            time.sleep(0.02)
            with log.open("a") as file:
                file.write(f"trained {time.monotonic()}\n")
            quiet.breathe()


@pytest.mark.process
def test_nobody_trains_while_somebody_measures(tmp_path):
    logs = [tmp_path / f"log{number}" for number in range(2)]
    context = multiprocessing.get_context("fork")
    trainers = [context.Process(target=train, args=(tmp_path / "locks", 60, log)) for log in logs]
    (tmp_path / "locks").mkdir()
    quiet = Quiet(tmp_path / "locks")
    for trainer in trainers:
        trainer.start()
    spans = []
    while not all(log.exists() for log in logs):
        time.sleep(0.01)
    for _ in range(4):
        waited = time.monotonic()
        with quiet.measuring():
            start = time.monotonic()
            time.sleep(0.1)
            spans.append((start, time.monotonic()))
        assert start - waited < 1.0  # a batch, not a training
        time.sleep(0.05)
    for trainer in trainers:
        trainer.join()

    for log in logs:
        lines = [line.split() for line in log.read_text().splitlines()]
        assert len(lines) == 120
        batches = [(float(a[1]), float(b[1])) for a, b in zip(lines[::2], lines[1::2], strict=True)]
        assert not [1 for a, b in batches for start, end in spans if a < end and b > start]


def test_a_folder_of_somebody_elses_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        Quiet(tmp_path)
