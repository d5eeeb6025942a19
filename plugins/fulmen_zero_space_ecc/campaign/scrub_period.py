"""From failures in time to the time between failures, and to how often memory must be scrubbed.

Memory makers state soft errors as FIT/Mbit: flips per 10^9 hours in 2^20 bits. With ``r`` flips per bit
and hour, a block of ``n`` bits that is scrubbed every ``T`` hours is lost when two flips or more fall
between two scrubs:

    p(T) = 1 - exp(-n r T) (1 + n r T)          (about n (n - 1) / 2 (r T)^2 for small r T)

All ``B`` blocks pass it with ``(1 - p)^B``. Taken over time, losses come at the rate
``-B ln(1 - p(T)) / T`` an hour, and the mean time to the first is one over that. Without protection
it is the time to the first flip, ``1 / (bits r)``.
"""

from __future__ import annotations

import math

BITS_PER_MBIT = 1 << 20
HOURS = {
    "1 second": 1 / 3600,
    "1 minute": 1 / 60,
    "1 hour": 1.0,
    "1 day": 24.0,
    "1 week": 168.0,
    "1 year": 8766.0,
}


def flips_per_bit_hour(fit_per_mbit: float) -> float:
    """Return the rate of flips of one bit, per hour."""
    return fit_per_mbit / 1e9 / BITS_PER_MBIT


def block_loss(bits: int, fit_per_mbit: float, period_hours: float) -> float:
    """Return the probability that a block of so many bits takes two flips or more in a period."""
    x = bits * flips_per_bit_hour(fit_per_mbit) * period_hours
    # The difference above loses all digits for the small x of real memories; its series does not.
    if x < 1e-3:
        return x * x * (1 / 2 - x / 3 + x * x / 8)
    return -math.expm1(-x) - x * math.exp(-x)


def mean_hours_to_loss(blocks: int, bits: int, fit_per_mbit: float, period_hours: float) -> float:
    """Return the mean time until a block takes more than its code can mend, in hours.

    Args:
        blocks: How many blocks the memory has.
        bits: Stored bits a block, check bits included: 64 in place, 72 for (72, 64).
        fit_per_mbit: Flips per 10^9 hours and 2^20 bits; 0 gives infinity.
        period_hours: Time between two scrubs.
    """
    loss = block_loss(bits, fit_per_mbit, period_hours)
    if loss >= 1:
        return 0.0  # so sure that it cannot be told from certain
    losses = -blocks * math.log1p(-loss)
    return period_hours / losses if losses > 0 else math.inf


def mean_hours_unprotected(bits: int, fit_per_mbit: float) -> float:
    """Return the mean time to the first flip of a memory of so many bits, in hours."""
    rate = bits * flips_per_bit_hour(fit_per_mbit)
    return 1 / rate if rate > 0 else math.inf


def scrub_period(blocks: int, bits: int, fit_per_mbit: float, wanted_hours: float) -> float:
    """Return the longest period between scrubs, in hours, that reaches a mean time to loss.

    Infinity where so much time can pass without any scrub.
    """
    if mean_hours_to_loss(blocks, bits, fit_per_mbit, wanted_hours) >= wanted_hours:
        return math.inf
    low, high = 0.0, wanted_hours
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        # The longer the period, the sooner two flips meet: the mean time falls with it.
        if mean_hours_to_loss(blocks, bits, fit_per_mbit, middle) >= wanted_hours:
            low = middle
        else:
            high = middle
    return low
