"""The story of the project on real data, one word of YAML at a time: ``make demo``.

Each act shows the YAML that it adds, runs one command of fulmen's, and says in a line what came out.
After an interruption, acts that were done are not done again, and the one that was not begins anew; a
finished demo starts over.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from accidents import kill_a_worker
from verdicts import held_weights, installed, recovered, repaired, searched, split, survived, trained

from fulmen import write_artifact
from fulmen.reports import write_index

REPOSITORY = Path(__file__).resolve().parent.parent
RUNS = REPOSITORY / "runs" / "demo"
STATE = RUNS / "acts.json"


@dataclass(frozen=True)
class Act:
    """One act: what it shows, the command, what came out.

    Attributes:
        title: What happens, for people.
        yaml: The line of YAML that this act is about, or None.
        arguments: The command line of fulmen.
        verdict: Says in one line what came out, from what the command printed and left.
        budget: Seconds that it may take on 2 cores; those of all acts together are at most 600.
        accident: Happens to the command's process while it runs: called with it and the time it began,
            returns what it did, for people.
    """

    title: str
    yaml: str | None
    arguments: list[str]
    verdict: Callable[[str], str]
    budget: int
    accident: Callable[[psutil.Process, float], str] | None = None


ACTS = {
    "plugins": Act(
        "What is installed: every part comes from a plugin.",
        None,
        ["plugins"],
        installed,
        budget=5,
    ),
    "fit": Act(
        "Train a small CNN on 1,797 real scanned digits; one word keeps its int8 weights in a box.",
        "trainer: {callbacks: [wot]}",
        ["fit", "--config", "configs/zero_space_ecc/digits.yaml"],
        trained,
        budget=90,
    ),
    "analyze": Act(
        "Look at the weights: is there room for error-correcting bits at no extra byte?",
        "analyzer: weight_distribution",
        ["analyze", "--config", "configs/zero_space_ecc/digits_weights.yaml"],
        held_weights,
        budget=60,
    ),
    "break": Act(
        "Break it: flip 1 % of all bits of that network in memory, unprotected and protected in place.",
        "analyzer: memory_faults",
        ["analyze", "--config", "configs/zero_space_ecc/digits_break.yaml"],
        survived,
        budget=60,
    ),
    "bit_rot": Act(
        "Let single bits rot on disk, in a file of torch.save and in the file that repairs itself.",
        "callbacks: [wot, zero_space_ecc]",
        ["zero_space_ecc", "selftest", "runs/zero_space_ecc/protected.zsecc"],
        repaired,
        budget=60,
    ),
    "search": Act(
        "Search for networks that are accurate, fast and hard to break; a worker is killed on the way.",
        "searcher: evolution",
        [
            "search",
            "--config",
            "configs/evolution/digits_faults.yaml",
            "--run",
            "runs/demo/search",
            "--fresh",
        ],
        searched,
        budget=75,
        accident=kill_a_worker,
    ),
    "split": Act(
        "Train on Debian's 63,666 packages in two processes: each package is loaded once, at its owner.",
        "trainer: {devices: 2, strategy: split_parallel}",
        ["split_parallel", "check", "--data", "split_parallel.graph", "--data.path", "debian"],
        split,
        budget=60,
    ),
    "neurons": Act(
        "Watch ten simulated neurons for three seconds, and read from their voltages who drives whom.",
        "analyzer: attention_granger",
        ["analyze", "--config", "configs/attention_granger/analyze.yaml"],
        recovered,
        budget=45,
    ),
}


def main() -> int:
    """Play the acts that are not yet done; return the exit status."""
    done = _load_state()
    start = time.monotonic()
    for name, act in ACTS.items():
        if name in done:
            _say(f"Act {name!r} was done before: {done[name]}")
            continue
        status, done[name] = _play(act)
        if status:
            _say("The demo stopped; the same command goes on from here.")
            return status
        write_artifact(STATE, json.dumps(done, indent=1))
    STATE.unlink()
    write_index(REPOSITORY / "runs")
    _say(
        f"Done in {time.monotonic() - start:.0f} s. Next:\n"
        "  every report             runs/index.html\n"
        "  the curves               tensorboard --logdir runs\n"
        "  a plugin of your own     fulmen new-plugin hello"
    )
    return 0


def _play(act: Act) -> tuple[int, str]:
    """Run an act's command, passing on what it prints; return its status and the verdict."""
    _say(f"{act.title}")
    if act.yaml:
        sys.stdout.write(f"  {act.yaml}\n")
    sys.stdout.write(f"$ fulmen {' '.join(act.arguments)}\n")
    sys.stdout.flush()
    since, start = time.time(), time.monotonic()
    # On networks this small, a second thread costs more than it gains when the machine is busy.
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    command = [sys.executable, "-m", "fulmen", *act.arguments]
    printed = []
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        accident = None
        if act.accident is not None:
            arguments = act.accident, psutil.Process(process.pid), since
            accident = threading.Thread(target=_let_happen, args=arguments, daemon=True)
            accident.start()
        for line in process.stdout:
            printed.append(line)
            sys.stdout.write(line)
            sys.stdout.flush()
    if accident is not None:
        accident.join(5)
    if process.returncode:
        return process.returncode, ""
    seconds = time.monotonic() - start
    verdict = f"{act.verdict(''.join(printed))} ({seconds:.0f} s)"
    if seconds > act.budget:
        verdict += f"; more than the {act.budget} s that it should take on 2 cores: is the machine busy?"
    sys.stdout.write(f"=> {verdict}\n")
    return 0, verdict


def _let_happen(
    accident: Callable[[psutil.Process, float], str], process: psutil.Process, since: float
) -> None:
    sys.stdout.write(f"** {accident(process, since)}\n")
    sys.stdout.flush()


def _load_state() -> dict[str, str]:
    try:
        return dict(json.loads(STATE.read_text()))
    except FileNotFoundError:
        return {}


def _say(text: str) -> None:
    sys.stdout.write(f"\n== {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        _say("Interrupted; `make demo` goes on with the beginning of this act.")
        sys.exit(130)
