"""How fast the in-place code is, beside copying and merely reading the same bytes, and beside checksums.

    pip install xxhash google-crc32c
    python benchmarks/ecc_speed.py [--rounds 21]      about 1 minute

One thread. Every round runs each operation once, in turn, so that a machine whose speed drifts does not
matter; figures are medians, ratios those of medians. The bars are those that the project set itself.

"loop" is the compiled loop alone, without the checks of its arguments that the public call makes first.
np.copyto slows down several times where its two buffers happen to lie alike in their pages. So the copy
is measured at several distances, and its best counts. xxh3 and CRC32C only detect; they mend nothing.
Writes benchmarks/results/ecc_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import google_crc32c
import numba
import numpy as np
import xxhash

from fulmen import write_artifact
from fulmen_zero_space_ecc.code import arena, kernels

RESULTS = Path(__file__).parent / "results" / "ecc_speed.json"
SIZES = {"11 MiB": 11 * 2**20, "256 KiB": 256 * 2**10}
RATES = (1e-6, 1e-5, 1e-4, 1e-3)  # flips a bit, for scrubs that find something
DISTANCES = (0, 64, 1088, 2112)  # bytes between the buffers' places in a page
COPY, READ = "np.copyto", "XOR read"
# operation: (size, what it is compared with, at least)
BARS = [
    ("verify interleaved", "11 MiB", COPY, 1.4),
    ("verify interleaved", "256 KiB", COPY, 1.3),
    ("verify interleaved, loop", "256 KiB", COPY, 1.3),
    ("verify interleaved", "11 MiB", READ, 0.4),
    ("verify interleaved", "256 KiB", READ, 0.4),
    ("verify interleaved, loop", "256 KiB", READ, 0.4),
    ("verify paper", "11 MiB", COPY, 1.0),
    ("scrub interleaved", "11 MiB", COPY, 1.3),
    ("encode interleaved", "11 MiB", COPY, 1.0),
    ("decode interleaved", "11 MiB", COPY, 0.9),
]


@numba.njit
def xor_read(words: Any) -> Any:
    """Return the exclusive or of all words: nothing but reading them."""
    total = np.uint64(0)
    for k in range(words.size):
        total ^= words[k]
    return total


def placed(size: int, distance: int) -> np.ndarray:
    """Return a buffer that begins at a distance behind the start of a page."""
    memory = np.ones(size + 8192, np.uint8)
    start = -memory.ctypes.data % 4096 + distance
    return memory[start : start + size]


def weights(size: int, layout: Any) -> np.ndarray:
    """Return random plain weights inside the box."""
    buffer = placed(size, 0).view(np.int8)
    rows = arena.as_rows(buffer, layout)
    rows[...] = np.random.default_rng(size).integers(-64, 64, rows.shape)
    return buffer


def renew(buffer: np.ndarray, content: np.ndarray) -> None:
    """Fill a buffer, and read it, since a copy may go past the caches."""
    np.copyto(buffer, content)
    xor_read(buffer.view(np.uint64))


def flipped(buffer: np.ndarray, rate: float) -> np.ndarray:
    """Return a copy with each bit flipped at a rate."""
    bits = np.random.default_rng(1).integers(0, 8 * buffer.size, round(8 * buffer.size * rate))
    hit = buffer.copy()
    np.bitwise_xor.at(hit.view(np.uint8), bits // 8, (1 << bits % 8).astype(np.uint8))
    return hit


def operations(size: int) -> dict[str, tuple[Callable[[], Any], Callable[[], Any] | None]]:
    """Name each operation, with what must be done before it that is not measured."""
    jobs: dict[str, tuple[Callable[[], Any], Callable[[], Any] | None]] = {}
    payload = {layout: weights(size, layout) for layout in arena.LAYOUTS}
    source = payload["interleaved"]
    for distance in DISTANCES:
        target = placed(size, distance).view(np.int8)
        jobs[f"{COPY}, distance {distance}"] = (lambda target=target: np.copyto(target, source), None)
    words = source.view(np.uint64)
    jobs[READ] = (lambda: xor_read(words), None)
    for layout, buffer in payload.items():
        plain, work = buffer.copy(), placed(size, 64).view(np.int8)
        out = placed(size, 1088).view(np.int8)
        arena.encode_(buffer, layout)
        jobs |= {
            f"verify {layout}": (lambda b=buffer, la=layout: arena.verify(b, la), None),
            f"verify {layout}, loop": (
                lambda b=buffer, p=layout == "paper": kernels.count(b.view(np.uint64), p, 0, size // 64),
                None,
            ),
            f"scrub {layout}": (lambda b=buffer, la=layout: arena.scrub_(b, la), None),
            f"encode {layout}": (
                lambda w=work, la=layout: arena.encode_(w, la),
                lambda w=work, p=plain: renew(w, p),
            ),
            f"decode {layout}": (lambda b=buffer, la=layout, o=out: arena.decode(b, la, o), None),
        }
    faulty = placed(size, 64).view(np.int8)
    for rate in RATES:
        hit = flipped(source, rate)
        jobs[f"scrub interleaved, {rate:g}"] = (
            lambda: arena.scrub_(faulty, "interleaved"),
            lambda hit=hit: renew(faulty, hit),
        )
    jobs["verify interleaved, 2 threads"] = (lambda: arena.verify(source, "interleaved", 2), None)
    jobs["xxh3 (64 bits)"] = (lambda: xxhash.xxh3_64_intdigest(source), None)
    copied = source.tobytes()
    jobs["CRC32C"] = (lambda: google_crc32c.value(copied), None)
    return jobs


def seconds(work: Callable[[], Any], before: Callable[[], Any] | None, times: int) -> float:
    """Return how long one run takes, of several in a row where nothing must be done before each."""
    if before is None:
        work()  # so that each finds its buffers in the caches as much as any other
        start = time.perf_counter()
        for _ in range(times):
            work()
        return (time.perf_counter() - start) / times
    taken = []
    for _ in range(times):
        before()
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def measure(size: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return the median speed of each operation, and its ratios to copying and to reading."""
    jobs = operations(size)
    times = max(1, 2**22 // size)  # a small buffer several times a round: a clock has its own cost
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds + 1):
        for name, (work, before) in jobs.items():
            taken[name].append(seconds(work, before, times))
    medians = {name: statistics.median(values[1:]) for name, values in taken.items()}
    medians[COPY] = min(value for name, value in medians.items() if name.startswith(COPY))
    return {
        name: {
            "gigabytes_per_second": size / value / 1e9,
            "of_copyto": medians[COPY] / value,
            "of_xor_read": medians[READ] / value,
        }
        for name, value in medians.items()
    }


def main() -> None:
    """Measure, print tables and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21, help="After one that is not counted.")
    rounds = parser.parse_args().rounds
    sizes = {name: measure(size, rounds) for name, size in SIZES.items()}
    bars = []
    for operation, size, other, least in BARS:
        ratio = sizes[size][operation]["of_copyto" if other == COPY else "of_xor_read"]
        bars.append({
            "operation": operation, "size": size, "beside": other,
            "at_least": least, "measured": ratio, "held": ratio >= least,
        })  # fmt: skip
    for size, rows in sizes.items():
        print(f"{size:<31} GB/s  of copyto  of XOR read")
        for name, row in rows.items():
            print(f"{name:<30} {row['gigabytes_per_second']:>6.1f} {row['of_copyto']:>10.2f} "
                  f"{row['of_xor_read']:>12.2f}")  # fmt: skip
    for bar in bars:
        print(
            f"{'held' if bar['held'] else 'MISSED':<7} {bar['operation']}, {bar['size']}: "
            f"{bar['measured']:.2f} of {bar['beside']}, at least {bar['at_least']}"
        )
    machine = {
        "processor": platform.processor() or platform.machine(), "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0], "numpy": np.__version__, "numba": numba.__version__,
    }  # fmt: skip
    results = {"rounds": rounds, "threads": 1, "machine": machine, "sizes": sizes, "bars": bars}
    write_artifact(RESULTS, json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
