"""Lightning's own ``test_cli.py`` with FulmenCLI and Runner in the place of theirs.

    python benchmarks/lightning_test_cli.py LIGHTNING_CHECKOUT

Runs the file twice, as it is and with the two classes replaced, and prints the tests whose outcome
differs. Lightning's tests are not in its wheel, so a checkout of its repository is needed, one whose
helpers import from the Lightning that is installed (for 2.6.6: commit 908dc9e of 2026-07-14).
Writes benchmarks/results/lightning_test_cli.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

RESULTS = Path(__file__).parent / "results" / "lightning_test_cli.json"
ANCHOR = "\n@contextmanager\ndef mock_subclasses"
REPLACEMENT = "\nfrom fulmen import FulmenCLI as LightningCLI, Runner as Trainer\n"


def outcomes(folder: Path) -> dict[str, str]:
    """Return test name to outcome."""
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "tests_pytorch/test_cli.py", "-q", "-p", "no:cacheprovider"]
    subprocess.run(
        [*command, f"--junitxml={report}"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        worst = {child.tag for child in case} & {"failure", "error", "skipped"}
        # A class is part of the name of a parametrised test.
        found[case.get("name", "").replace("[Runner", "[Trainer")] = next(iter(worst), "passed")
    return found


def main() -> None:
    """Run both and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path, help="A checkout of Lightning's repository.")
    checkout = parser.parse_args().checkout
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "tests"
        shutil.copytree(checkout / "tests", folder)
        theirs = outcomes(folder)
        file = folder / "tests_pytorch" / "test_cli.py"
        text = file.read_text()
        if ANCHOR not in text:
            sys.exit(f"{file}: has changed; where the imports end is not found")
        file.write_text(text.replace(ANCHOR, REPLACEMENT + ANCHOR, 1))
        ours = outcomes(folder)
    passing = sorted(name for name, outcome in theirs.items() if outcome == "passed")
    if not passing:
        sys.exit(f"{checkout}: its test_cli.py cannot be run beside the Lightning that is installed")
    lost = [name for name in passing if ours.get(name) != "passed"]
    result = {"tests": len(theirs), "pass_with_theirs": len(passing), "lost_with_fulmen": lost}
    print(json.dumps(result, indent=1))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
