"""What `attention_granger` finds where the truth is known: the table of the docs, row by row.

    python benchmarks/attention_granger.py --folder results          # goes on where it was
    python benchmarks/attention_granger.py --folder results --only izhikevich,nulls --seeds 5
    python benchmarks/attention_granger.py --folder results --table  # prints what is there
    python benchmarks/attention_granger.py --folder results --device cuda --workers 4 --minutes 9 --bundle F

Each row is one recording: the analyzer's estimate and its opponents on the same array, on one thread; a
JSON file a row, so that a killed run goes on. Scores are off the diagonal. The seeds begin at 2000: none of
them was looked at while defaults were chosen (those from 1000 were drawn before the member was judged by
scaled losses). One row of every case comes first, the longest ones before the
others.

On a GPU networks are trained and read there, opponents run on the CPU; seconds are then by the clock, and a
row says so. There the paper's own model trains all its seeds to their end. What is measured in CPU time alone
(cost, invariance) is left out beside a GPU or other workers, unless --only names it.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import math
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.pool import AsyncResult
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fulmen import write_artifact
from fulmen_attention_granger.choice import MEMBERS, member_name
from fulmen_attention_granger.estimate import Estimate, EstimateOptions, estimate, reordered
from fulmen_attention_granger.flags import TOGETHER
from fulmen_attention_granger.member import run_members
from fulmen_attention_granger.opponents.capped import run_capped
from fulmen_attention_granger.paper_training import train_by_protocol
from fulmen_attention_granger.pieces import prepared
from fulmen_attention_granger.recordings import RecordingError, Recordings
from fulmen_attention_granger.scoring import (
    auprc,
    auroc,
    benjamini_hochberg,
    false_positive_rate,
    selection,
)
from fulmen_attention_granger.systems import recorded, recorded_networks
from fulmen_attention_granger.systems.observation import add_noise, lose
from fulmen_attention_granger.time_varying import smoothed
from fulmen_attention_granger.windows import standardised

FIRST_SEED = 2000
RANKING = EstimateOptions(significance=False)
CPU_TIME_ALONE = {"cost", "invariance"}
CAP = 900.0  # seconds by the clock that an opponent may take; generous, for a machine that is busy


@dataclass(frozen=True)
class Case:
    """A system, what is asked of the estimate, and which opponents stand beside it."""

    section: str
    name: str
    make: Callable[[int], Recordings]
    options: EstimateOptions = RANKING
    opponents: tuple[str, ...] = ("var_granger",)
    runs: int | None = None  # None: as many as --seeds says
    every_member: bool = False
    paper_seconds: float = 0.0  # CPU time for the paper's own model by its own protocol
    minutes: float = 0.5  # it may take, roughly: the longest begin first

    def seeds(self, first: int, asked: int, most: int) -> range:
        """Return the seeds of its rows."""
        return range(first, first + (asked if self.runs is None else min(self.runs, most)))


def cases() -> Iterator[Case]:
    """Yield all cases, section by section."""
    spiking, graded = recorded_networks.spiking_network, recorded_networks.graded_network
    tested = EstimateOptions()
    both = ("var_granger", "spike_regression")
    three = ("var_granger", "spike_regression", "pcmci_parcorr")
    for n in (5, 10, 20, 40):
        for p in (0.2, 0.4, 0.6, 0.8):
            yield Case(
                "izhikevich",
                f"N {n} p {p}",
                lambda s, n=n, p=p: spiking(n, p, 5000, seed=s),
                opponents=both,
                minutes=n / 20,
            )
    yield Case("izhikevich", "N 20 p .2 T 1500", lambda s: spiking(20, 0.2, 1500, seed=s), opponents=both)
    yield Case("izhikevich", "N 20 p .2 weak", lambda s: spiking(20, 0.2, 5000, 2.0, seed=s), opponents=both)
    yield Case(
        "no clean spikes", "every 4th ms", lambda s: spiking(20, 0.2, 20000, every=4, seed=s), opponents=three
    )
    yield Case(
        "no clean spikes",
        "calcium",
        lambda s: spiking(20, 0.2, 5000, observation="calcium", seed=s),
        opponents=three,
    )
    yield Case("no clean spikes", "graded", lambda s: graded(20, 0.2, 2000, seed=s), opponents=three)
    yield Case(
        "no clean spikes",
        "a fifth hidden",
        lambda s: spiking(20, 0.2, 5000, hidden=0.2, seed=s),
        opponents=three,
    )
    for t in (250, 500, 1000):
        yield Case("lorenz96", f"F 40 T {t}", lambda s, t=t: recorded.lorenz_96(20, t, 40.0, seed=s))
    yield Case("lorenz96", "F 10 T 500", lambda s: recorded.lorenz_96(20, 500, 10.0, seed=s))
    yield Case("henon", "N 15 T 1000", lambda s: recorded.coupled_henon(seed=s))
    for t in (500, 1000):
        yield Case(
            "linear var",
            f"T {t}",
            lambda s, t=t: recorded.linear_autoregression(20, t, seed=s),
            opponents=("var_granger", "pcmci_parcorr", "slarac"),
        )
    eight: dict[str, Callable[[int], Recordings]] = {
        "Izhikevich p .2": lambda s: spiking(20, 0.2, 5000, seed=s),
        "Izhikevich p .8": lambda s: spiking(20, 0.8, 5000, seed=s),
        "Lorenz-96 F 10": lambda s: recorded.lorenz_96(20, 500, 10.0, seed=s),
        "Lorenz-96 F 40": lambda s: recorded.lorenz_96(20, 500, 40.0, seed=s),
        "linear VAR": lambda s: recorded.linear_autoregression(20, 500, seed=s),
        "nonlinear VAR": lambda s: recorded.nonlinear_autoregression(seed=s),
        "Henon": lambda s: recorded.coupled_henon(seed=s),
        "graded worm": lambda s: graded(20, samples=2000, wiring="celegans", seed=s),
    }
    for name, make in eight.items():
        yield Case("choice", name, make, opponents=(), every_member=True, minutes=2.0)
    for kind in ("linear", "nonlinear", "shifting"):
        yield Case(
            "nulls", kind, lambda s, kind=kind: recorded.unconnected(20, 1000, kind, seed=s), tested, runs=50
        )
    yield Case(
        "discoveries", "linear VAR", lambda s: recorded.linear_autoregression(20, 1000, seed=s), tested
    )
    yield Case("discoveries", "Henon", lambda s: recorded.coupled_henon(seed=s), tested)
    yield Case("discoveries", "Izhikevich N 10", lambda s: spiking(10, 0.2, 5000, seed=s), tested)
    yield Case("discoveries", "common driver", lambda s: recorded.common_driver(seed=s), tested)
    yield Case("discoveries", "hidden drivers", lambda s: recorded.hidden_drivers(seed=s), tested)
    in_time = EstimateOptions(significance=False, all_time=True)
    yield Case(
        "switch",
        "linear VAR",
        lambda s: recorded.linear_autoregression(20, 3000, switch=True, seed=s),
        in_time,
    )
    yield Case("switch", "Izhikevich N 10", lambda s: spiking(10, 0.2, 10000, switch=True, seed=s), in_time)
    for name in ("linear VAR", "Henon", "Izhikevich p .2"):
        yield Case("missing 30 %", name, lambda s, name=name: _blurred(eight[name](s), lose, 0.3, s))
        yield Case("noise 50 %", name, lambda s, name=name: _blurred(eight[name](s), add_noise, 0.5, s))
    for n, t in ((20, 1000), (20, 5000), (100, 2000), (500, 2000)):
        for asked, options in (("ranking", EstimateOptions(significance=False)), ("with p and q", tested)):
            if n == 500 and options.significance:
                continue
            yield Case(
                "cost",
                f"N {n} T {t} {asked}",
                lambda s, n=n, t=t: recorded.linear_autoregression(n, t, seed=s),
                options,
                ("pcmci_parcorr",) if (n, asked) == (20, "ranking") else (),
                runs=1,
                minutes=n / 20,
            )
    for n in (5, 10, 20):
        for p in (0.2, 0.8):
            yield Case(
                "paper",
                f"N {n} p {p}",
                lambda s, n=n, p=p: spiking(n, p, 5000, seed=s),
                runs=3,
                paper_seconds=600.0,
                minutes=11.0 + n / 20,
            )
    yield Case(
        "invariance", "permuted, rescaled", lambda s: recorded.linear_autoregression(20, 500, seed=s), runs=2
    )


def run_case(case: Case, seed: int, device: str = "cpu") -> dict[str, Any]:
    """Return a row: what was found, beside the opponents."""
    made = case.make(seed)
    row: dict[str, Any] = {"section": case.section, "case": case.name, "seed": seed, "source": made.source}
    on_cpu = device == "cpu"
    row["device"] = "cpu" if on_cpu else torch.cuda.get_device_name(device)
    row |= {"torch": torch.__version__, "seconds_are": "of CPU time" if on_cpu else "by the clock"}
    clock = time.process_time if on_cpu else time.perf_counter
    start = clock()
    result = _estimate(made, case.options, device)
    row["seconds"] = clock() - start
    row["memory_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    row |= {
        "lags": result.members.lags,
        "member": member_name(result.members.nonlinear, result.members.variance),
        "losses": result.losses,
    }
    graph = made.graph
    assert graph is not None
    row["scores"] = {name: _areas(score, graph) for name, score in result.scores.items()}
    if result.significance is not None:
        row["discoveries"] = selection(result.significance.selected, graph)._asdict()
        row["false_positive_rate"] = false_positive_rate(result.significance.p_values, graph)
    if "confounded" in made.truths:
        flagged, confounded = result.flags != "", made.truths["confounded"].astype(bool) & ~graph
        row["flagged"] = {
            "confounded": float(flagged[confounded].mean()) if confounded.any() else None,
            "edges": float(flagged[graph].mean()) if graph.any() else None,
            "by_errors": float(np.mean([TOGETHER in flag for flag in result.flags[confounded]])),
        }
    if "graph_first_half" in made.truths:
        row["halves"] = _halves(made, result)
    if case.every_member:
        row["members"] = {}
        for name in MEMBERS:
            only = _estimate(made, replace(case.options, member=name), device)
            row["members"][name] = _areas(only.score, graph)
    if case.section == "invariance":
        row["correlation"] = _invariance(made, result, case.options, seed, device)
    if case.paper_seconds:
        row["paper"] = _paper(made, case.paper_seconds if on_cpu else math.inf, device)
    row["opponents"] = {name: _opponent(name, made) for name in case.opponents}
    return row


def _estimate(made: Recordings, options: EstimateOptions, device: str) -> Estimate:
    trials, order = prepared(made)
    kept: dict[str, Any] = {}

    def run(items: Any, label: str) -> list[Any]:
        for item in items:
            if repr(item) not in kept:
                kept[repr(item)] = run_members(trials, item, device)
        return [kept[repr(item)] for item in items]

    return reordered(estimate(trials, run, options), order)


def _areas(score: np.ndarray, graph: np.ndarray) -> dict[str, float]:
    return {
        "auroc": auroc(score, graph),
        "auprc": auprc(score, graph),
        "auroc_diagonal": auroc(score, graph, diagonal=True),
    }


def _opponent(name: str, made: Recordings) -> dict[str, Any]:
    try:
        result = run_capped(name, made.trials, None, CAP)
    except RecordingError as error:
        return {"note": str(error)}
    row: dict[str, Any] = {"seconds": result.seconds, "note": result.note, "test": result.test}
    graph = made.graph
    if result.score is not None and graph is not None:
        row |= _areas(result.score, graph)
        if result.p_values is not None:
            chosen = np.nan_to_num(benjamini_hochberg(result.p_values), nan=1.0) <= 0.1
            row["discoveries"] = selection(chosen, graph)._asdict()
            row["false_positive_rate"] = false_positive_rate(result.p_values, graph)
    return row


def _paper(made: Recordings, seconds: float, device: str) -> dict[str, Any]:
    result = train_by_protocol(standardised(made.trials)[0], seconds, device=device)
    assert made.graph is not None
    return {
        **_areas(result.attention, made.graph),
        "epochs": result.epochs,
        "finished": result.finished,
        "r2": result.r2,
        "seconds": result.seconds,
    }


def _halves(made: Recordings, result: Estimate) -> dict[str, float]:
    series = smoothed(result.blocks, result.rows)
    first = series.middles < made.samples / 2
    return {
        half: auroc(series.strength[chosen].mean(0), made.truths[f"graph_{half}"].astype(bool))
        for half, chosen in (("first_half", first), ("second_half", ~first))
    }


def _blurred(made: Recordings, blur: Callable[..., np.ndarray], share: float, seed: int) -> Recordings:
    return replace(made, trials=tuple(blur(trial, share, seed) for trial in made.trials))


def _invariance(
    made: Recordings, result: Estimate, options: EstimateOptions, seed: int, device: str
) -> float:
    generator = np.random.default_rng(seed)
    order = generator.permutation(made.variables)
    scale = 10.0 ** generator.uniform(-3, 3, made.variables)
    changed = replace(made, trials=tuple((trial * scale)[:, order] for trial in made.trials))
    other = _estimate(changed, options, device).score
    mask = ~np.eye(made.variables, dtype=bool)
    return float(np.corrcoef(other[mask], result.score[np.ix_(order, order)][mask])[0, 1])


def table(folder: Path) -> str:
    """Return a line per case: mean and worst over the rows that are there."""
    rows = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
    lines = [
        f"{'section':16} {'case':24} runs  AUROC mean worst   AUPRC mean worst   raw att.   seconds   further"
    ]
    for key in dict.fromkeys((row["section"], row["case"]) for row in rows):
        mine = [row for row in rows if (row["section"], row["case"]) == key]
        ours = [row["scores"]["contribution"] for row in mine]
        area = [np.array([one[name] for one in ours]) for name in ("auroc", "auprc")]
        raw = np.mean([row["scores"]["attention"]["auroc"] for row in mine])
        seconds = np.mean([row["seconds"] for row in mine])
        lines.append(
            f"{key[0]:16} {key[1]:24} {len(mine):4}  {area[0].mean():10.3f} {area[0].min():5.3f}  "
            f"{area[1].mean():10.3f} {area[1].min():5.3f}  {raw:8.3f}  {seconds:8.1f}   {_further(mine)}"
        )
    return "\n".join(lines)


def _further(rows: list[dict[str, Any]]) -> str:
    parts = []
    for name in rows[0]["opponents"]:
        got = [row["opponents"][name] for row in rows if "auroc" in row["opponents"].get(name, {})]
        if got:
            seconds = np.mean([one["seconds"] for one in got])
            parts.append(
                f"{name} {np.mean([g['auroc'] for g in got]):.3f}/{np.mean([g['auprc'] for g in got]):.3f}"
            )
            parts[-1] += f" ({seconds:.1f} s)"
            found = [one["discoveries"] for one in got if "discoveries" in one]
            if found and "discoveries" in rows[0]:
                parts[-1] += f" fdr {np.mean([f['fdr'] for f in found]):.2f}"
                parts[-1] += f" power {np.mean([f['power'] for f in found]):.2f}"
        else:
            parts.append(f"{name} {rows[0]['opponents'][name].get('note', '')}")
    if "discoveries" in rows[0]:
        found = [row["discoveries"] for row in rows]
        parts.insert(
            0,
            f"fdr {np.mean([f['fdr'] for f in found]):.2f} power {np.mean([f['power'] for f in found]):.2f} "
            f"any false {np.mean([f['false'] > 0 for f in found]):.2f} "
            f"fpr {np.mean([row['false_positive_rate'] for row in rows]):.3f};",
        )
    if "members" in rows[0]:
        loss = [
            max(one["auroc"] for one in row["members"].values()) - row["scores"]["contribution"]["auroc"]
            for row in rows
        ]
        parts.append(f"loses {np.mean(loss):.3f} (worst {max(loss):.3f}) to the best member")
    if "paper" in rows[0]:
        parts.append(_claim(rows))
    for name in ("halves", "flagged"):
        if name in rows[0]:
            means = {
                key: np.mean([row[name][key] for row in rows if row[name][key] is not None])
                for key in rows[0][name]
            }
            parts.append(f"{name}: " + ", ".join(f"{key} {mean:.3f}" for key, mean in means.items()))
    if "correlation" in rows[0]:
        parts.append(f"correlation {min(row['correlation'] for row in rows):.5f}")
    if rows[0]["section"] == "cost":
        parts.append(f"{max(row['memory_gib'] for row in rows):.2f} GiB")
    return " ".join(parts)


def _claim(rows: list[dict[str, Any]]) -> str:
    """Count where the paper's attention ranks better, as well (to .005) and worse than VAR-Granger."""
    words = []
    for name, label in (("auroc", "off the diagonal"), ("auroc_diagonal", "with it")):
        gain = np.array([row["paper"][name] - row["opponents"]["var_granger"][name] for row in rows])
        counts = (int((gain > 0.005).sum()), int((abs(gain) <= 0.005).sum()), int((gain < -0.005).sum()))
        mean = np.mean([row["paper"][name] for row in rows])
        words.append(f"{label} {mean:.3f}, wins/ties/losses {'/'.join(map(str, counts))}")
    epochs = [len(row["paper"]["epochs"]) for row in rows]
    words.append(f"R2 {np.mean([row['paper']['r2'] for row in rows]):.2f}, {min(epochs)}-{max(epochs)} seeds")
    return "paper's model: " + "; ".join(words)


@dataclass(frozen=True)
class Task:
    """A row to be made, as plain data: a worker finds its case by name."""

    section: str
    case: str
    seed: int
    device: str
    folder: Path

    @property
    def file(self) -> Path:
        """Where the row is kept."""
        name = f"{self.section}-{self.case}-{self.seed}"
        return self.folder / f"{name.replace(' ', '_').replace('%', 'percent').replace(',', '')}.json"


def make_row(task: Task) -> str:
    """Make and keep a row; return a line about it."""
    torch.set_num_threads(1)
    case = next(case for case in cases() if (case.section, case.name) == (task.section, task.case))
    row = run_case(case, task.seed, task.device)
    write_artifact(task.file, json.dumps(row, indent=1).encode())
    ours = row["scores"]["contribution"]
    return (
        f"{task.file.stem}: AUROC {ours['auroc']:.3f} AUPRC {ours['auprc']:.3f}, {row['seconds']:.1f} s "
        f"{row['seconds_are']}"
    )


def missing(arguments: argparse.Namespace) -> list[Task]:
    """Return the rows that are asked for and not there: one of every case first, the longest of them."""
    sections = set(filter(None, arguments.only.split(",")))
    alone = arguments.device == "cpu" and arguments.workers == 1
    ordered: list[tuple[int, float, Task]] = []
    for case in cases():
        wanted = case.section in sections if sections else alone or case.section not in CPU_TIME_ALONE
        if not wanted or arguments.case not in case.name:
            continue
        seeds = case.seeds(arguments.first_seed, arguments.seeds, arguments.most_runs)
        for index, seed in enumerate(seeds):
            task = Task(case.section, case.name, seed, arguments.device, arguments.folder)
            if not task.file.exists():
                ordered.append((index * 5 // len(seeds), -case.minutes, task))
    return [task for _, _, task in sorted(ordered, key=lambda one: one[:2])]


def make_rows(tasks: Sequence[Task], workers: int, deadline: float) -> int:
    """Make rows until all are there or time is up, and return how many failed.

    Args:
        tasks: In the order in which they begin. Those of section cost must be among themselves: each has
            a process of its own, whose memory is measured.
        workers: Processes, a row and a thread each. What they have begun when time is up is given up.
        deadline: In seconds of ``time.monotonic``.
    """
    spawn = multiprocessing.get_context("spawn")
    alone = 1 if any(task.section == "cost" for task in tasks) else None
    if not tasks:
        return 0
    waiting, failed = list(reversed(tasks)), 0
    begun: dict[Task, AsyncResult[str]] = {}
    with spawn.Pool(workers, maxtasksperchild=alone) as pool:  # leaving it ends what is still at work
        while (waiting or begun) and time.monotonic() < deadline:
            while waiting and len(begun) < workers:
                task = waiting.pop()
                begun[task] = pool.apply_async(make_row, (task,))
            for task, result in list(begun.items()):
                if not result.ready():
                    continue
                del begun[task]
                try:
                    print(result.get(), flush=True)
                except Exception as error:
                    failed += 1
                    print(f"{task.file.stem}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            time.sleep(0.05)
    if waiting or begun:
        print(f"time is up: {len(waiting) + len(begun)} rows are missing, {len(begun)} of them begun")
    return failed


def unbundle(file: Path, folder: Path) -> None:
    """Put the rows of a bundle into a folder, where they are not there yet."""
    for line in file.read_text().splitlines():
        row = json.loads(line)
        place = Task(row["section"], row["case"], row["seed"], "cpu", folder).file
        if not place.exists():
            write_artifact(place, json.dumps(row, indent=1).encode())


def bundle(file: Path, folder: Path) -> None:
    """Write all rows of a folder into one file, a line each."""
    rows = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    write_artifact(file, "".join(json.dumps(row) + "\n" for row in rows).encode())


def main() -> None:
    """Run what is missing, or print what is there."""
    start = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--only", default="", help="sections, separated by commas")
    parser.add_argument("--case", default="", help="a part of the case's name")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--most-runs", type=int, default=50, help="of a case that asks for more than --seeds")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--workers", type=int, default=1, help="rows at a time, a process and a thread each")
    parser.add_argument("--minutes", type=float, default=math.inf, help="end by then; rows begun are lost")
    parser.add_argument("--bundle", type=Path, help="all rows in one file; those in it are not made again")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.bundle is not None and arguments.bundle.exists():
        unbundle(arguments.bundle, arguments.folder)
    failed = 0
    if not arguments.table:
        tasks, deadline = missing(arguments), start + 60 * arguments.minutes
        failed = make_rows([task for task in tasks if task.section != "cost"], arguments.workers, deadline)
        failed += make_rows([task for task in tasks if task.section == "cost"], 1, deadline)
    if arguments.bundle is not None:
        bundle(arguments.bundle, arguments.folder)
    print(table(arguments.folder))
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
