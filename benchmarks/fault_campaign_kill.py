"""Kill -9 a campaign at 20 random instants, and compare its table with that of one left in peace.

    python benchmarks/fault_campaign_kill.py        about 5 minutes

Each process is killed after a random number of finished pieces and a random pause on top, so that kills
fall between pieces as well as into their work and their writing. The network is a small_cnn of random
8-bit weights in the box: what it classifies does not matter here. Writes
benchmarks/results/fault_campaign_kill.json.
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

import torch
from lightning.pytorch import seed_everything

from fulmen import Report, Runner, write_artifact
from fulmen_vision.classifier import ImageClassifier
from fulmen_vision.digits import Digits
from fulmen_vision.small_cnn import SmallCNN
from fulmen_zero_space_ecc.campaign.memory_faults import MemoryFaults

RESULTS = Path(__file__).parent / "results" / "fault_campaign_kill.json"
SCHEMES = ["none", "parity_zero", "ecc_72_64", "triple", "checksum_reload"]
PIECES = 5 * 3 * 20  # schemes, rates, pieces a row


def campaign(folder: Path) -> Report:
    """Run the campaign, or what is left of it."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    seed_everything(1, verbose=False)
    analyzer = MemoryFaults(
        schemes=SCHEMES, rates=[1e-4, 1e-3, 1e-2], trials=200, half_width=None, images=128
    )
    model = ImageClassifier(SmallCNN(), 10)
    return Runner(accelerator="cpu", logger=False).analyze(analyzer, model, Digits(), run=folder, quiet=True)


def kill_once(folder: Path, done: int, generator: random.Random) -> tuple[bool, int]:
    """Start the campaign, kill it on its way; return whether it was killed, and the finished pieces."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--run", str(folder)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    wanted = min(done + generator.randint(0, 24), PIECES - 1)
    while process.poll() is None and _pieces(folder) < wanted:
        time.sleep(0.001)
    time.sleep(generator.random() * 0.1)
    process.kill()
    return process.wait() == -signal.SIGKILL, _pieces(folder)


def _pieces(folder: Path) -> int:
    return sum(1 for _ in folder.glob("pieces/**/*.json"))


def main() -> None:
    """Kill, finish, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path, help="(used by the script itself: run the campaign here)")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.run is not None:
        campaign(options.run)
        return
    generator = random.Random(options.seed)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        killed, done = Path(temporary) / "killed", 0
        for _ in range(options.kills):
            was_killed, done = kill_once(killed, done, generator)
            rows.append({"killed": was_killed, "finished_pieces": done})
            print(
                f"kill {len(rows)}: {'killed' if was_killed else 'had ended'}, {done} of {PIECES} pieces kept"
            )
        resumed, whole = campaign(killed), campaign(Path(temporary) / "whole")
    kills = sum(row["killed"] for row in rows)
    equal = resumed == whole
    print(f"{kills} kills; the table and every trial are {'the same' if equal else 'DIFFERENT'}")
    result = {"kills": rows, "killed": kills, "equal": equal, "torch": torch.__version__}
    write_artifact(options.out, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
