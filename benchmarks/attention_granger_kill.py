"""Kill -9 an analysis at 10 random instants, and compare its tables with those of one left in peace.

    python benchmarks/attention_granger_kill.py        about 3 minutes

Each process is killed after a random number of finished pieces and a random pause on top, so that kills
fall between pieces as well as into their work and their writing. Writes
benchmarks/results/attention_granger_kill.json.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import seed_everything

from fulmen import Report, Runner, write_artifact
from fulmen_attention_granger import AttentionGranger, TimeSeries
from fulmen_attention_granger.systems.recorded import nonlinear_autoregression

RESULTS = Path(__file__).parent / "results" / "attention_granger_kill.json"
# A long recording is cut into a piece a fold: three members to choose from, the chosen one's other folds,
# then as many beside phantoms; the last two again for the second seed.
PIECES = 3 + 2 + 3 + 3 + 3


def analysis(folder: Path, series: Path) -> Report:
    """Run the analysis, or what is left of it."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    seed_everything(1, verbose=False)
    analyzer = AttentionGranger(effort=0.2, seeds=2)
    return Runner(accelerator="cpu", logger=False).analyze(
        analyzer, datamodule=TimeSeries(str(series)), run=folder, quiet=True
    )


def kill_once(folder: Path, series: Path, done: int, generator: random.Random) -> tuple[bool, int]:
    """Start the analysis, kill it on its way; return whether it was killed, and the finished pieces."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--run", str(folder), "--series", str(series)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    wanted = min(done + generator.randint(0, 2), PIECES - 1)
    while process.poll() is None and (_pieces(folder) < wanted or not folder.exists()):
        time.sleep(0.001)
    time.sleep(generator.random() * 0.5)
    process.kill()
    return process.wait() == -signal.SIGKILL, _pieces(folder)


def _pieces(folder: Path) -> int:
    return sum(1 for _ in folder.glob("pieces/**/*.json"))


def same(one: Report, other: Report) -> bool:
    """Return whether tables, arrays and findings are the same, to the last bit."""
    tables = all(one.tables[name].equals(table) for name, table in other.tables.items())
    arrays = all(np.array_equal(one.arrays[name], array) for name, array in other.arrays.items())
    return tables and arrays and one.tables.keys() == other.tables.keys() and one.findings == other.findings


def main() -> None:
    """Kill, finish, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path, help="(used by the script itself: run the analysis here)")
    parser.add_argument("--series", type=Path, help="(likewise: of this file)")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.run is not None:
        analysis(options.run, options.series)
        return
    generator = random.Random(options.seed)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        series = Path(temporary) / "series.npy"
        np.save(series, nonlinear_autoregression(5, 2700, seed=0).trials[0])
        killed, done = Path(temporary) / "killed", 0
        for _ in range(options.kills):
            was_killed, done = kill_once(killed, series, done, generator)
            rows.append({"killed": was_killed, "finished_pieces": done})
            ended = "killed" if was_killed else "had ended"
            print(f"kill {len(rows)}: {ended}, {done} of {PIECES} pieces kept", flush=True)
        resumed, whole = analysis(killed, series), analysis(Path(temporary) / "whole", series)
    kills = sum(row["killed"] for row in rows)
    equal = same(resumed, whole)
    print(f"{kills} kills; tables, arrays and findings are {'the same' if equal else 'DIFFERENT'}")
    result = {"kills": rows, "killed": kills, "equal": equal, "torch": torch.__version__}
    write_artifact(options.out, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
