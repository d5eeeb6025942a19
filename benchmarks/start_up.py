"""What fulmen adds to plain LightningCLI: ``fit --help`` and a ``fast_dev_run``, interleaved.

    python benchmarks/start_up.py [--runs 9]

Writes benchmarks/results/start_up.json and prints a table. Both run the same model in a process of
their own; the ratio is taken pair by pair, so that a machine whose speed drifts does not matter.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "start_up.json"
MODEL = "--model=lightning.pytorch.demos.boring_classes.BoringModel"
PLAIN = "from lightning.pytorch.cli import LightningCLI; LightningCLI()"
CASES = {
    "fit --help": ["fit", "--help"],
    "fast_dev_run": ["fit", MODEL, "--trainer.fast_dev_run=1", "--trainer.accelerator=cpu"],
}


def seconds(command: list[str], folder: str) -> float:
    """Return how long a command takes as a whole process."""
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure, print a table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="Pairs per case, after one that is not counted.")
    runs = parser.parse_args().runs
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for case, arguments in CASES.items():
            pairs = []
            for _ in range(runs + 1):
                ours = seconds([sys.executable, "-m", "fulmen", *arguments], folder)
                theirs = seconds([sys.executable, "-c", PLAIN, *arguments], folder)
                pairs.append((ours, theirs))
            pairs = pairs[1:]
            ratios = sorted(ours / theirs for ours, theirs in pairs)
            results[case] = {
                "runs": runs,
                "fulmen_seconds": statistics.median(ours for ours, _ in pairs),
                "lightning_seconds": statistics.median(theirs for _, theirs in pairs),
                "ratio_median": statistics.median(ratios),
                "ratio_min": ratios[0],
                "ratio_max": ratios[-1],
            }
            row = results[case]
            print(
                f"{case:<14} fulmen {row['fulmen_seconds']:.2f} s, "
                f"LightningCLI {row['lightning_seconds']:.2f} s, "
                f"ratio {row['ratio_median']:.3f} ({row['ratio_min']:.3f} to {row['ratio_max']:.3f})"
            )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
