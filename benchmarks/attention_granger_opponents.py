"""What the classical tests score on the simulated systems: mean and worst over networks, off the diagonal.

    python benchmarks/attention_granger_opponents.py            # two minutes on one core
    python benchmarks/attention_granger_opponents.py --methods pcmci_parcorr --systems "linear_var T500"

Writes benchmarks/results/attention_granger_opponents.json and prints the table. The seeds are those that
the documentation's figures were made with; none was chosen.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fulmen_attention_granger.opponents.catalog import OPPONENTS, run
from fulmen_attention_granger.recordings import Recordings
from fulmen_attention_granger.scoring import auprc, auroc, false_positive_rate
from fulmen_attention_granger.systems.recorded import (
    common_driver,
    coupled_henon,
    linear_autoregression,
    lorenz_96,
    nonlinear_autoregression,
)
from fulmen_attention_granger.systems.recorded_networks import graded_network, spiking_network

RESULTS = Path(__file__).parent / "results" / "attention_granger_opponents.json"
SYSTEMS: dict[str, Callable[[int], Recordings]] = {
    "spiking N10 p.2": lambda seed: spiking_network(10, 0.2, seed=seed),
    "spiking N20 p.2": lambda seed: spiking_network(20, 0.2, seed=seed),
    "spiking N20 p.8": lambda seed: spiking_network(20, 0.8, seed=seed),
    "spiking N40 p.8": lambda seed: spiking_network(40, 0.8, seed=seed),
    "spiking N20 p.2 T1500": lambda seed: spiking_network(20, 0.2, 1500, seed=seed),
    "spiking N20 p.2 weak": lambda seed: spiking_network(20, 0.2, synapse=2.0, seed=seed),
    "spiking N20 p.2 every 4": lambda seed: spiking_network(20, 0.2, every=4, seed=seed),
    "spiking N20 p.2 calcium": lambda seed: spiking_network(20, 0.2, observation="calcium", seed=seed),
    "spiking N20 p.2 hidden .2": lambda seed: spiking_network(20, 0.2, hidden=0.2, seed=seed),
    "graded N20 p.2": lambda seed: graded_network(20, 0.2, seed=seed),
    "lorenz96 F10 T500": lambda seed: lorenz_96(20, 500, 10.0, seed=seed),
    "lorenz96 F40 T250": lambda seed: lorenz_96(20, 250, 40.0, seed=seed),
    "lorenz96 F40 T500": lambda seed: lorenz_96(20, 500, 40.0, seed=seed),
    "lorenz96 F40 T1000": lambda seed: lorenz_96(20, 1000, 40.0, seed=seed),
    "linear_var T500": lambda seed: linear_autoregression(20, 500, seed=seed),
    "linear_var T1000": lambda seed: linear_autoregression(20, 1000, seed=seed),
    "henon": lambda seed: coupled_henon(seed=seed),
    "nonlinear_var": lambda seed: nonlinear_autoregression(seed=seed),
    "common_driver": lambda seed: common_driver(seed=seed),
}


def main() -> None:
    """Score each method on each system."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--methods", default="var_granger,spike_regression,slarac", help="separated by commas"
    )
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="separated by commas")
    parser.add_argument("--networks", type=int, default=5, help="seeds 0 to this, excluded")
    options = parser.parse_args()
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for system in options.systems.split(","):
        for method in options.methods.split(","):
            assert method in OPPONENTS
            rows[f"{system} | {method}"] = row = score(SYSTEMS[system], method, options.networks)
            print(f"{system:26} {method:18} " + "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
            RESULTS.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def score(make: Callable[[int], Recordings], method: str, networks: int) -> dict[str, float | int | None]:
    """Return mean and worst AUROC, mean AUPRC, false-positive rate at .05 and CPU seconds."""
    areas, precisions, rates, seconds = [], [], [], []
    for seed in range(networks):
        recordings = make(seed)
        assert recordings.graph is not None
        result = run(method, recordings.trials)
        assert result.score is not None
        areas.append(auroc(result.score, recordings.graph))
        precisions.append(auprc(result.score, recordings.graph))
        seconds.append(result.seconds)
        if result.p_values is not None:
            rates.append(false_positive_rate(result.p_values, recordings.graph))
    return {
        "auroc": round(float(np.mean(areas)), 3),
        "worst": round(min(areas), 3),
        "auprc": round(float(np.mean(precisions)), 3),
        "false positives at .05": round(float(np.mean(rates)), 3) if rates else None,
        "seconds": round(float(np.mean(seconds)), 2),
        "networks": networks,
    }


if __name__ == "__main__":
    main()
