"""A search whose run and workers are killed at random, many times; nothing that finished may be lost.

    python killed_search.py --kills 100 --seed 0 --engine processes

The same loop, study and engine as of ``fulmen search``; only what is evaluated sleeps instead of
training, so that a hundred kills take minutes. The run is this file too (``--folder``): it notes each
evaluation that is committed, which is what may not be lost.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

EVALUATIONS = 40
NAMES = ["loss", "cost"]
RUNG = "rung/1"


def bowl(x: float, y: float, seconds: float, limits: dict | None = None) -> dict:
    """Evaluate; held to rungs, a candidate has a loss after the first half, and may have to stop there."""
    loss = (x - 3) ** 2 + (y + 1) ** 2
    whole = {"loss": loss, "cost": abs(x) + abs(y)}
    time.sleep(seconds / 2)
    if limits is None:
        time.sleep(seconds / 2)
        return {"values": whole}
    reached = {RUNG: loss + 1}
    if reached[RUNG] > limits.get("1", float("inf")):
        return {"values": reached, "status": "stuck", "failure": "worse than was needed to go on"}
    time.sleep(seconds / 2)
    return {"values": whole | reached}


def run(folder: Path, engine_name: str, evaluations: int, seconds: float, rungs: bool) -> None:
    """Be the run: search until the budget is spent."""
    import numpy as np

    from fulmen.engines import worker_process
    from fulmen.engines.inline import InlineEngine
    from fulmen.engines.processes import ProcessesEngine
    from fulmen.search.budget import Budget
    from fulmen.search.loop import SearchLoop
    from fulmen.search.rungs import LIMITS, limits, with_limits
    from fulmen.searching import Candidate, Searcher, Task
    from fulmen.study import Study

    class Drawing(Searcher):
        """Draws near the best; deterministic in the order of telling."""

        def __init__(self) -> None:
            self.asked, self.best = 0, None

        def ask(self):
            x, y = np.random.default_rng(self.asked).normal(0, 1, 2) + (self.best or [0, 0, 0])[1:]
            self.asked += 1
            return Candidate(self.asked - 1, {"x": float(x), "y": float(y)})

        def tell(self, candidate, evaluation):
            if evaluation.status == "ok" and (self.best is None or evaluation.values["loss"] < self.best[0]):
                self.best = [evaluation.values["loss"], candidate.overlay["x"], candidate.overlay["y"]]

        def state_dict(self):
            return {"asked": self.asked, "best": self.best}

        def load_state_dict(self, state):
            self.asked, self.best = state["asked"], state["best"]

    sys.path.insert(0, str(Path(__file__).parent))
    worker_process.PRELOADED = ("killed_search",)
    engine = InlineEngine() if engine_name == "inline" else ProcessesEngine(workers=2, retries=5)
    committed = (folder / "committed").open("a")
    with Study.open(folder, "chaos") as study:

        def watch(step):
            if step is not None:
                committed.write(f"{step.candidate.id} {step.evaluation.status}\n")
                committed.flush()
            if engine_name != "inline":
                (folder / "workers").write_text(" ".join(map(str, engine.pids)))

        def held(candidate):
            evaluations = [one.evaluation for one in study.told()]
            return with_limits(candidate, limits(evaluations, [1], 0.5, "min")) if rungs else candidate

        def task(candidate, key):
            held_to = candidate.note.get(LIMITS, {}) if rungs else None
            point = candidate.overlay["x"], candidate.overlay["y"]
            return Task(key, "killed_search:bowl", (*point, seconds, held_to))

        budget = Budget(evaluations)
        loop = SearchLoop(Drawing(), study, engine, task, NAMES, budget, watch=watch, prepare=held)
        loop.run()
    engine.close()


def chaos(
    kills: int,
    seed: int,
    engine_name: str,
    evaluations: int,
    seconds: float,
    folder: Path,
    rungs: bool = False,
) -> dict:
    """Kill so often, then let the search end; return what was found."""
    draw = random.Random(seed)
    done, runs, killed = 0, 0, {"run": 0, "worker": 0}
    start = time.monotonic()
    while True:
        command = [sys.executable, __file__, "--folder", str(folder), "--engine", engine_name]
        command += ["--evaluations", str(evaluations), "--seconds", str(seconds)]
        command += ["--rungs"] if rungs else []
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        runs += 1
        while process.poll() is None and done < kills:
            time.sleep(draw.uniform(0.2, 3.0))
            pids = []
            with contextlib.suppress(OSError, ValueError):
                pids = [int(p) for p in (folder / "workers").read_text().split() if psutil.pid_exists(int(p))]
            if process.poll() is not None:
                break
            if pids and draw.random() < 0.6:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(draw.choice(pids), signal.SIGKILL)
                    killed["worker"] += 1
            else:
                process.kill()
                killed["run"] += 1
            done += 1
        if process.wait() == 0:
            break
    return {
        **killed,
        "runs": runs,
        "seconds": round(time.monotonic() - start, 1),
        **verdict(folder, evaluations),
    }


def verdict(folder: Path, evaluations: int) -> dict:
    """Return what was lost or told twice, whether the file is whole, and the front."""
    from fulmen.search.objectives import front
    from fulmen.searching import Objective
    from fulmen.study import Study

    with Study.read(folder) as study:
        told = study.told()
        integrity = study.connection.execute("PRAGMA integrity_check").fetchone()[0]
        rows = study.connection.execute(
            'SELECT id, overlay, "values", note, status FROM candidates JOIN results USING (id)'
        )
        archive = [list(row) for row in rows]
    noted = [int(line.split()[0]) for line in (folder / "committed").read_text().splitlines()]
    ids = [one.candidate.id for one in told]
    wrong = [
        one.candidate.id
        for one in told
        if one.evaluation.status in ("ok", "stuck") and _again(one) != plain(one.evaluation)
    ]
    objectives = [Objective(name, "min", {"metric": name}) for name in NAMES]
    return {
        "told": len(ids),
        "missing": sorted(set(range(evaluations)) - set(ids)),
        "lost": sorted(set(noted) - set(ids)),
        "twice": sorted({id for id in noted if noted.count(id) > 1}),
        "wrong": wrong,
        "failed": sum(one.evaluation.status not in ("ok", "stuck") for one in told),
        "stuck": sum(one.evaluation.status == "stuck" for one in told),
        "integrity": integrity,
        "front": [one.candidate.id for one in front(told, objectives)],
        "archive": archive,
    }


def plain(evaluation) -> tuple:
    return dict(evaluation.values), evaluation.status


def _again(told) -> tuple:
    """Evaluate a candidate anew, held to what it was held to."""
    limits = told.candidate.note.get("limits", {}) if RUNG in told.evaluation.values else None
    found = bowl(told.candidate.overlay["x"], told.candidate.overlay["y"], 0, limits)
    return found["values"], found.get("status", "ok")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", default="processes")
    parser.add_argument("--evaluations", type=int, default=EVALUATIONS)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rungs", action="store_true", help="stop the worse half at half time")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.folder:
        run(options.folder, options.engine, options.evaluations, options.seconds, options.rungs)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = chaos(
            options.kills,
            options.seed,
            options.engine,
            options.evaluations,
            options.seconds,
            Path(folder),
            options.rungs,
        )
    found.pop("archive")
    print(json.dumps(found))
    bad = found["missing"] or found["lost"] or found["twice"] or found["wrong"] or found["integrity"] != "ok"
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
