"""Fast networks for synthetic pathology patches: references, latencies, what search finds, random search.

    python benchmarks/pathology.py reference --device cuda --workers 10   # known networks, 3 seeds each
    fulmen search --config configs/evolution/pathology.yaml --run runs/pathology
    python benchmarks/pathology.py search --run runs/pathology    # those of the front, by the same recipe
    python benchmarks/pathology.py latency --run runs/pathology   # of all of them, against ResNet-18
    python benchmarks/pathology.py latency --run benchmarks/results/pathology/pathology2  # the saved search's
    python benchmarks/pathology.py random --minutes 70            # random search in the same space, 5 seeds
    python benchmarks/pathology.py table --run runs/pathology

Each network and seed has a file in ``--results``; what is there is not made again, so that the same command
goes on where it was stopped. Patches are synthetic: figures compare methods and say nothing of real tissue.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import io
import json
import multiprocessing
import os
import platform
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pathology_patches
import torch
from pathology_found import found_in, network_of, random_search, standing
from pathology_latency import FORMS, LEAST_ROUNDS, forwards, ratios
from pathology_networks import NETWORKS, REFERENCE
from pathology_training import Recipe, probabilities, scores, train
from torch import nn

import fulmen

RESULTS = Path(__file__).parent / "results" / "pathology"
SEEDS = 3
SPEEDS = [f"{form}ratio_{batch}" for form in FORMS for batch in LEAST_ROUNDS]  # of a file latency-NAME.json
MINUTES = (8, 16, 32, 64)  # of searches that are compared
SMALL = {"train": 256, "val": 128, "test": 128}  # for a try


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        setting: Of the generator.
        network: A name out of `NETWORKS`, or of a searched network.
        config: The config of a searched network; None: a known one.
        seed: Of the weights and of the order of the patches.
    """

    setting: str
    network: str
    seed: int
    config: str | None = None

    @property
    def file(self) -> str:
        """The name of its result."""
        return f"{self.setting}-{self.network}-{self.seed}.json"

    def build(self) -> nn.Module:
        """Return the network, untrained."""
        return NETWORKS[self.network]() if self.config is None else network_of(Path(self.config))


def run_jobs(jobs: list[Job], options: argparse.Namespace) -> None:
    """Train what has no result yet, ``options.workers`` at a time."""
    folder = Path(options.results)
    jobs = [job for job in jobs if not (folder / job.file).exists()]
    if not jobs:
        return
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    with concurrent.futures.ProcessPoolExecutor(options.workers, context) as pool:
        futures = {pool.submit(_run_job, job, options): job for job in jobs}
        for future in concurrent.futures.as_completed(futures):
            result = future.result()
            print(
                f"{futures[future].file:<44} F1 {result['test_f1']:.4f}  {result['seconds']:.0f} s",
                flush=True,
            )


def _run_job(job: Job, options: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    device = torch.device(options.device)
    splits = {
        name: pathology_patches.load(Path(options.patches), job.setting, name, _sizes(options)).to(device)
        for name in ("train", "val", "test")
    }
    recipe = Recipe(epochs=options.epochs)
    torch.manual_seed(job.seed)
    network = job.build().to(device)
    cpu = time.process_time()
    seconds = train(network, splits["train"], recipe, job.seed)
    found = {
        name: (probabilities(network, splits[name]).cpu(), splits[name].labels.cpu())
        for name in ("val", "test")
    }
    result = {
        **asdict(job),
        **scores(found["val"], found["test"]),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "seconds": seconds,
        "cpu_seconds": time.process_time() - cpu,
        "recipe": asdict(recipe),
        "patches": {**pathology_patches.described(), "sizes": _sizes(options)},
        "device": torch.cuda.get_device_name() if device.type == "cuda" else platform.machine(),
        "torch": torch.__version__,
    }
    if job.network == REFERENCE and job.seed == 0:
        result["weights"] = _keep_weights(network, Path(options.results) / f"{job.setting}-{job.network}.pt")
    fulmen.write_artifact(Path(options.results) / job.file, json.dumps(result, indent=1) + "\n")
    return result


def _keep_weights(network: nn.Module, file: Path) -> dict[str, str]:
    """Write the weights in half precision; return the file's name and SHA-256."""
    weights = {
        name: value.cpu().half() if value.is_floating_point() else value.cpu()
        for name, value in network.state_dict().items()
    }
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    fulmen.write_artifact(file, buffer.getvalue())
    return {"file": file.name, "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}


def reference(options: argparse.Namespace) -> None:
    """Train the known networks on both settings, the slowest first."""
    _train_all(dict.fromkeys(options.networks or NETWORKS), options)


def search(options: argparse.Namespace) -> None:
    """Train the networks of a search's front anew by the recipe of the known ones, on both settings."""
    found = dict(list(found_in(_run_of(options)).items())[: options.most])
    _train_all({name: str(file) for name, file in found.items()}, options)
    if (_run_of(options) / "study.sqlite").exists():  # what is kept in results/ has networks alone
        _write(options, f"{_run_of(options).name}.json", standing(_run_of(options)))


def latency(options: argparse.Namespace) -> None:
    """Time all networks against the reference, and those of a search's front; a quiet machine is wanted."""
    networks = {name: make for name, make in NETWORKS.items() if name != REFERENCE}
    if options.run is not None:
        networks |= {name: partial(network_of, file) for name, file in found_in(_run_of(options)).items()}
    reference = NETWORKS[REFERENCE]()
    weights = Path(options.weights or "")
    if weights.is_file():
        state = torch.load(weights, weights_only=True)
        reference.load_state_dict(
            {name: v.float() if v.is_floating_point() else v for name, v in state.items()}
        )
    missing = [name for name in networks if not (Path(options.results) / f"latency-{name}.json").exists()]
    torch.set_num_threads(1)
    shipped = forwards(reference) if missing else {}
    for name in missing:
        found = {
            "network": name,
            **ratios(networks[name](), shipped, options.seconds),
            "load": os.getloadavg()[0],
            "weights": weights.is_file(),
            "torch": torch.__version__,
        }
        _write(options, f"latency-{name}.json", found)
        print(f"{name:<22}{_speed(found)}", flush=True)


def random(options: argparse.Namespace) -> None:
    """Search at random for as long as the search took, with as many workers, once a seed."""
    for seed in range(options.random_seeds):
        run = Path(options.runs) / f"pathology_random_{seed}"
        random_search(run, seed, options.minutes, options.more)
        _write(options, f"{run.name}.json", standing(run))


def table(options: argparse.Namespace) -> None:
    """Print the mean and the spread of what there is, and the latencies, exported and compiled."""
    folder = Path(options.results)
    results = [json.loads(file.read_text()) for file in sorted(folder.glob("*-*-?.json"))]
    names = list(dict.fromkeys([*NETWORKS, *(one["network"] for one in results)]))
    print(
        f"{'setting':<9}{'network':<22}{'seeds':>6}{'parameters':>12}{'F1 at .5':>10}{'spread':>8}"
        f"{'tuned':>8}{'AUROC':>8}{'batch 1':>9}{'128':>9}{'compiled':>9}{'128':>9}"
    )
    for setting in pathology_patches.SETTINGS:
        for name in names:
            rows = [one for one in results if (one["setting"], one["network"]) == (setting, name)]
            if not rows:
                continue
            f1 = [one["test_f1"] for one in rows]
            file = folder / f"latency-{name}.json"
            spread = statistics.stdev(f1) if len(f1) > 1 else float("nan")
            tuned, auroc = (statistics.mean(one[k] for one in rows) for k in ("test_f1_tuned", "test_auroc"))
            print(
                f"{setting:<9}{name:<22}{len(rows):>6}{rows[0]['parameters']:>12,}{statistics.mean(f1):>10.4f}"
                f"{spread:>8.4f}{tuned:>8.4f}{auroc:>8.4f}"
                + (_speed(json.loads(file.read_text())) if file.exists() else "")
            )
    courses = {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("pathology*.json"))}
    if courses:
        print(
            "\nLatency of the fastest candidate within the bound, as a ratio to the config's own network, "
            "after so many minutes of two workers"
        )
        print(f"{'search':<22}{'candidates':>11}" + "".join(f"{minutes:>8}" for minutes in MINUTES))
    for name, found in courses.items():
        columns = "".join(f"{_fastest(found, minutes):>8}" for minutes in MINUTES)
        print(f"{name:<22}{found['evaluations']:>11}{columns}")


def _fastest(found: dict[str, Any], minutes: float) -> str:
    seconds = 120 * minutes  # of two workers
    if found["worker_seconds"] < 0.8 * seconds:  # they wait for each other's timings, too
        return "-"
    within = [one["latency"] for one in found["course"] if one["worker_seconds"] <= seconds]
    return f"{min(within):.2f}" if within else "none"


def _speed(found: dict[str, Any]) -> str:
    return "".join(f"{f'1/{1 / found[key]:.1f}':>9}" for key in SPEEDS)


def _train_all(networks: dict[str, str | None], options: argparse.Namespace) -> None:
    pathology_patches.prepare(Path(options.patches), options.processes, _sizes(options))
    jobs = [
        Job(setting, name, seed, config)
        for setting in options.settings
        for name, config in networks.items()
        for seed in range(options.seeds)
    ]
    run_jobs(jobs, options)
    table(options)


def _run_of(options: argparse.Namespace) -> Path:
    if options.run is None:
        raise SystemExit(f"{options.part} needs --run: the folder of a search that has ended")
    return Path(options.run)


def _write(options: argparse.Namespace, name: str, found: dict[str, Any]) -> None:
    fulmen.write_artifact(Path(options.results) / name, json.dumps(found, indent=1) + "\n")


def _sizes(options: argparse.Namespace) -> dict[str, int]:
    return SMALL if options.small else pathology_patches.SIZES


PARTS = {part.__name__: part for part in (reference, search, latency, random, table)}


def main(arguments: list[str]) -> None:
    """Run a part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time")
    parser.add_argument("--processes", type=int, default=2, help="processes that draw patches")
    parser.add_argument("--networks", nargs="*", choices=list(NETWORKS), help="all by default")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument(
        "--settings", nargs="*", default=list(pathology_patches.SETTINGS), help="of the generator"
    )
    parser.add_argument("--run", help="of search and latency: the folder of a search")
    parser.add_argument("--most", type=int, default=5, help="of search: networks, in the front's order")
    parser.add_argument("--weights", help="of latency: the reference's, as reference keeps them")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="of latency: for a network and batch size"
    )
    parser.add_argument("--minutes", type=float, default=70.0, help="of random: for a search")
    parser.add_argument("--random_seeds", type=int, default=5, help="of random: how many searches")
    parser.add_argument("--runs", default="runs", help="of random: folder of the searches")
    parser.add_argument(
        "--more", nargs=argparse.REMAINDER, default=[], help="of random: last, options of search"
    )
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--small", action="store_true", help="a few hundred patches, for a try")
    parser.add_argument("--patches", default="runs/pathology_patches", help="folder where patches are kept")
    parser.add_argument("--results", default=str(RESULTS), help="folder of results")
    options = parser.parse_args(arguments)
    PARTS[options.part](options)


if __name__ == "__main__":
    main(sys.argv[1:])
