"""What the answers that need no torch cost, beside a bare Python, and what 100 more plugins add.

    python benchmarks/front_door.py [--runs 21]

Writes benchmarks/results/front_door.json and prints a table. Processes are interleaved, so that a
machine whose speed drifts does not matter; a ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "front_door.json"
MANY = 100
BARE = "python -c pass"
WITH_MANY = f"plugins, {MANY} more"
CASES = {
    BARE: ["-c", "pass"],
    "--version": ["-m", "fulmen", "--version"],
    "--help": ["-m", "fulmen", "--help"],
    "plugins": ["-m", "fulmen", "plugins"],
    WITH_MANY: ["-m", "fulmen", "plugins"],
}
PLUGIN = """\
import fulmen

@fulmen.hookimpl
def fulmen_components():
    return [fulmen.Component("callback", f"part_{n}", "NAME.parts:Part", "A part.") for n in range(5)]
"""


def seconds(arguments: list[str], path: str) -> float:
    """Return how long a Python process takes as a whole."""
    environment = {**os.environ, "PYTHONPATH": path}
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def install(folder: Path, number: int) -> None:
    """Lay out a plugin of five components as pip would install it."""
    name = f"fulmen_many_{number}"
    info = folder / f"{name}-1.0.dist-info"
    for made in (info, folder / name):
        made.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[fulmen]\nmany_{number} = {name}.plugin\n")
    (folder / name / "__init__.py").touch()
    (folder / name / "plugin.py").write_text(PLUGIN.replace("NAME", name))
    (folder / name / "parts.py").write_text("class Part: ...\n")


def main() -> None:
    """Measure, print a table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=21, help="Per case, after one that is not counted.")
    runs = parser.parse_args().runs
    taken: dict[str, list[float]] = {case: [] for case in CASES}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(MANY):
            install(Path(folder), number)
        for _ in range(runs + 1):
            for case, arguments in CASES.items():
                taken[case].append(seconds(arguments, folder if case == WITH_MANY else ""))
    medians = {case: statistics.median(values[1:]) for case, values in taken.items()}
    results = {
        case: {
            "runs": runs,
            "seconds_median": medians[case],
            "seconds_min": min(taken[case][1:]),
            "times_bare_python": medians[case] / medians[BARE],
        }
        for case in CASES
    }
    for case, row in results.items():
        print(f"{case:<20} {row['seconds_median']:.3f} s, {row['times_bare_python']:.1f} times a bare Python")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
