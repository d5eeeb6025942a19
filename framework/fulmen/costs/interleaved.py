"""How much longer one thing takes than another, on a machine that is never quite quiet."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ratio:
    """A measured ratio of times.

    Attributes:
        ratio: Candidate to reference, the median over the rounds.
        half_width: Half the 95 % confidence interval of that median, as a share of it.
        rounds: How often both were timed.
        seconds: The candidate's time per call, the median.
        reference_seconds: The reference's.
    """

    ratio: float
    half_width: float
    rounds: int
    seconds: float
    reference_seconds: float


def interleaved_ratio(
    candidate: Callable[[], object],
    reference: Callable[[], object],
    half_width: float = 0.03,
    least_rounds: int = 11,
    most_seconds: float = 10.0,
    shortest: float = 2e-3,
    clock: Callable[[], float] = time.perf_counter,
) -> Ratio:
    """Time two functions in turns and return how much longer the first takes.

    What slows the machine slows both of a pair alike, so that their ratio stands where either time
    does not. Rounds go on until the ratio is known well enough or the time is up.

    Args:
        candidate: What is measured.
        reference: What it is measured by.
        half_width: Stop when half the confidence interval of the median ratio is at most this share.
        least_rounds: At least so many.
        most_seconds: Stop after so long, however well it is known by then.
        shortest: Seconds that one timing takes at least, by as many calls as that needs. A call that is not
            timed goes before each: what a small network needs would else be out of the cache, put out by the
            other's turn, as it is not where it runs on one input after the other.
        clock: Seconds; ``time.thread_time`` for what runs on one thread, since what others take of the
            core then does not count.

    Source: the interval of a median from order statistics: Conover, Practical Nonparametric
    Statistics, 3rd ed., section 3.2.
    """
    functions = (candidate, reference)
    for function in functions:
        for _ in range(3):  # caches, allocators, lazily built kernels
            function()
    calls = [max(1, math.ceil(shortest / max(_time(f, 1, clock), 1e-9))) for f in functions]
    times: list[tuple[float, float]] = []
    end = time.monotonic() + most_seconds
    while True:
        pair = [0.0, 0.0]
        for which in (0, 1, 1, 0):  # whoever comes second finds other caches: each does once
            pair[which] += _time(functions[which], calls[which], clock) / 2
        times.append((pair[0], pair[1]))
        if len(times) < least_rounds:
            continue
        array = np.array(times)
        ratios = np.sort(array[:, 0] / array[:, 1])
        middle, width = float(np.median(ratios)), half_width_of_median(ratios)
        if width <= half_width * middle or time.monotonic() > end:
            seconds, reference_seconds = np.median(array, axis=0).tolist()
            return Ratio(middle, width / middle, len(times), seconds, reference_seconds)


def _time(function: Callable[[], object], calls: int, clock: Callable[[], float]) -> float:
    function()  # what the other has put out of the cache comes back
    start = clock()
    for _ in range(calls):
        function()
    return (clock() - start) / calls


def half_width_of_median(ordered: np.ndarray) -> float:
    """Half the 95 % interval of the median of ordered values, by order statistics."""
    count = len(ordered)
    reach = 0.98 * math.sqrt(count)  # 1.96 standard deviations of a binomial with p = 1/2
    low, high = math.floor(count / 2 - reach), math.ceil(count / 2 + reach)
    return float(ordered[min(high, count - 1)] - ordered[max(low, 0)]) / 2
