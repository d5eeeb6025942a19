"""What a search has left in its folder, and random search in the same space for as long."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

import fulmen
from fulmen.search.objectives import Objective, front, is_feasible, parse
from fulmen.study import Study, Told
from fulmen_evolution.genome import Genome, genes_from

CONFIG = Path(__file__).resolve().parent.parent / "configs" / "evolution" / "pathology.yaml"


def network_of(file: Path) -> Genome:
    """Return the untrained network of a config that a search has written (``networks/1.yaml``)."""
    options = yaml.safe_load(file.read_text())["model"]["init_args"]["network"]["init_args"]
    options = {**options, "layers": genes_from(options["layers"]), "image_size": tuple(options["image_size"])}
    return Genome(**options)


def found_in(run: Path) -> dict[str, Path]:
    """Return the configs of a search's front in its order, by the names they have in results."""
    files = sorted((run / "networks").glob("*.yaml"), key=lambda file: int(file.stem))
    return {f"{run.name}_{file.stem}": file for file in files}


def random_search(run: Path, seed: int, minutes: float, more: list[str]) -> None:
    """Search at random with everything else as in the shipped config; again: go on where it was stopped."""
    config = yaml.safe_load(CONFIG.read_text())
    options = config["searcher"]["init_args"]
    config["searcher"] = {
        "class_path": "random",
        "init_args": {"space": options["space"], "structures": options["structures"], "seed": seed},
    }
    config["seed_everything"] = seed + 1
    file = run.with_suffix(".yaml")
    fulmen.write_artifact(file, yaml.safe_dump(config, sort_keys=False))
    command = [sys.executable, "-m", "fulmen", "search", "--config", str(file), "--run", str(run)]
    subprocess.run([*command, "--budget.minutes", str(minutes), "--quiet", *more], check=True)


def course(told: Sequence[Told], objectives: Sequence[Objective]) -> list[dict[str, Any]]:
    """Return each candidate within the bounds that was faster than all before it, and when it was told.

    Args:
        told: In the order of telling.
        objectives: Latency among them; those with a bound are only kept within it.
    """
    seconds, found = 0.0, []
    for number, one in enumerate(told, start=1):
        seconds += one.evaluation.seconds
        values = one.evaluation.values
        if not is_feasible(one.evaluation, objectives):
            continue
        if not found or values["latency"] < found[-1]["latency"]:
            kept = {o.name: values[o.name] for o in objectives}
            found.append({"evaluations": number, "worker_seconds": seconds, "id": one.candidate.id, **kept})
    return found


def standing(run: Path) -> dict[str, Any]:
    """Return how far a search has come: what it took, how its candidates fared, and its front."""
    objectives = parse(yaml.safe_load((run / "config.yaml").read_text())["objectives"])
    with Study.read(run) as study:
        told, finals = study.told(), study.finals()
    best = front(told, objectives)
    statuses = [one.evaluation.status for one in told]
    return {
        "evaluations": len(told),
        "statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
        "worker_seconds": sum(one.evaluation.seconds for one in told),
        "course": course(told, objectives),
        "front": [
            {"id": one.candidate.id, **{o.name: one.evaluation.values[o.name] for o in objectives}}
            for one in best
        ],
        "finals": {
            key: {
                name: value for name, value in result.items() if name != "artifacts"
            }  # places on this machine
            for key, result in finals.items()
        },
    }
