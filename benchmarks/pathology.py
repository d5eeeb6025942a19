"""Fast networks for synthetic pathology patches: references, latencies, what search finds, random search.

    python benchmarks/pathology.py reference --device cuda --workers 6   # scores of known networks, 3 seeds each

Each network and seed has a file in ``--results``; what is there is not trained again, so that the same command
goes on where it was stopped. Patches are synthetic: figures compare methods and say nothing of real tissue.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import io
import json
import multiprocessing
import platform
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

import fulmen
import pathology_patches
from pathology_networks import NETWORKS, REFERENCE
from pathology_training import Recipe, probabilities, scores, train

RESULTS = Path(__file__).parent / "results" / "pathology"
SEEDS = 3
SMALL = {"train": 256, "val": 128, "test": 128}  # for a try


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        setting: Of the generator.
        network: A name out of `NETWORKS`.
        seed: Of the weights and of the order of the patches.
    """

    setting: str
    network: str
    seed: int

    @property
    def file(self) -> str:
        """The name of its result."""
        return f"{self.setting}-{self.network}-{self.seed}.json"


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
            print(f"{futures[future].file:<44} F1 {result['test_f1']:.4f}  {result['seconds']:.0f} s", flush=True)


def _run_job(job: Job, options: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    device = torch.device(options.device)
    splits = {
        name: pathology_patches.load(Path(options.patches), job.setting, name, _sizes(options)).to(device)
        for name in ("train", "val", "test")
    }
    recipe = Recipe(epochs=options.epochs)
    torch.manual_seed(job.seed)
    network = NETWORKS[job.network]().to(device)
    cpu = time.process_time()
    seconds = train(network, splits["train"], recipe, job.seed)
    found = {
        name: (probabilities(network, splits[name]).cpu(), splits[name].labels.cpu()) for name in ("val", "test")
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
    weights = {name: value.cpu().half() if value.is_floating_point() else value.cpu()
               for name, value in network.state_dict().items()}
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    fulmen.write_artifact(file, buffer.getvalue())
    return {"file": file.name, "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}


def reference(options: argparse.Namespace) -> None:
    """Train the known networks on both settings, the slowest first."""
    pathology_patches.prepare(Path(options.patches), options.processes, _sizes(options))
    settings, names = list(pathology_patches.SETTINGS), options.networks or list(NETWORKS)
    jobs = [Job(setting, name, seed) for name in names for setting in settings for seed in range(options.seeds)]
    run_jobs(jobs, options)
    table(options)


def table(options: argparse.Namespace) -> None:
    """Print the mean and the spread of what there is."""
    results = [json.loads(file.read_text()) for file in sorted(Path(options.results).glob("*-*-?.json"))]
    print(f"{'setting':<9}{'network':<22}{'seeds':>6}{'parameters':>12}{'F1 at .5':>10}{'spread':>8}{'tuned':>8}{'AUROC':>8}")
    for setting in pathology_patches.SETTINGS:
        for name in NETWORKS:
            rows = [one for one in results if (one["setting"], one["network"]) == (setting, name)]
            if not rows:
                continue
            f1 = [one["test_f1"] for one in rows]
            spread = statistics.stdev(f1) if len(f1) > 1 else float("nan")
            tuned, auroc = (statistics.mean(one[k] for one in rows) for k in ("test_f1_tuned", "test_auroc"))
            print(
                f"{setting:<9}{name:<22}{len(rows):>6}{rows[0]['parameters']:>12,}{statistics.mean(f1):>10.4f}"
                f"{spread:>8.4f}{tuned:>8.4f}{auroc:>8.4f}"
            )


def _sizes(options: argparse.Namespace) -> dict[str, int]:
    return SMALL if options.small else pathology_patches.SIZES


PARTS = {"reference": reference, "table": table}


def main(arguments: list[str]) -> None:
    """Run a part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time")
    parser.add_argument("--processes", type=int, default=2, help="processes that draw patches")
    parser.add_argument("--networks", nargs="*", choices=list(NETWORKS), help="all by default")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--small", action="store_true", help="a few hundred patches, for a try")
    parser.add_argument("--patches", default="data/pathology", help="folder where patches are kept")
    parser.add_argument("--results", default=str(RESULTS), help="folder of results")
    options = parser.parse_args(arguments)
    PARTS[options.part](options)


if __name__ == "__main__":
    main(sys.argv[1:])
